import type { IncomingMessage } from 'node:http';

import { type ServerOptions, WebSocketServer } from 'ws';

import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { detachString } from '../../base/detach-string.js';
import type { GuardedGateway } from './handshake-checks.js';
import { answerHeaders } from './handshake-response.js';
import { emitGuarded } from './guarded-emit.js';
import { PathPattern } from './path-pattern.js';
import { RoutingTable } from './routing-table.js';
import type { SocketListeners } from './socket-listeners.js';
import { TrackedSocket } from './tracked-socket.js';
import type { Upgrade } from './upgrade.js';
import type { VerifyClient } from './verify-client.js';

/** Options of a gateway's decorator beside those of `ws`. */
export interface GatewayServerOptions {
  readonly path?: string;
  readonly namespace?: string;
  readonly verifyClient?: VerifyClient;
  readonly handleProtocols?: ServerOptions['handleProtocols'];
  readonly [option: string]: unknown;
}

const NOT_ASCII = /[\u0080-\u00ff]/;
const MIN_CHUNKS = 16_384;
const BYTES_PER_CHUNK = 64;

/**
 * Limit for the buffered chunks of an incomplete message. Each chunk costs about 300 bytes beside its content, so a message that arrives
 * byte by byte is not accepted at full length.
 */
export function maxChunks(maxMessageBytes: number): number {
  return Math.max(MIN_CHUNKS, Math.ceil(maxMessageBytes / BYTES_PER_CHUNK));
}

/** A server of one path on one port. */
export class PathServer extends WebSocketServer {
  /** In the form of {@link gatewayPath}; a pattern as it is written; `/` also where every path is served. */
  override readonly path: string;
  /** Set where the gateway's path has parameters, wildcards or optional parts. @internal */
  readonly pattern: PathPattern | null;
  /** Whether this server belongs to a gateway without a path on its own port. As with `WsAdapter`, it serves every path. @internal */
  readonly servesEveryPath: boolean;
  /** Whether a gateway's path ends in a slash. Requests may then end in one, too. @internal */
  takesSlash = false;
  /** @internal */
  guarded: readonly GuardedGateway[] = [];
  /** @internal */
  readonly table = new RoutingTable();
  /** Handles errors of the app's listeners. @internal */
  failed: (what: string, error: unknown) => void = () => undefined;
  /** @internal */
  readonly socketListeners: SocketListeners;
  /** The gateway's own hook. It is not passed to `ws`, which would call it for clients that are already refused. @internal */
  readonly verifyClient: VerifyClient | undefined;

  constructor(
    { limits, drain }: ResolvedOptions,
    { verifyClient, handleProtocols = firstOf, ...options }: GatewayServerOptions,
    {
      path,
      socketListeners,
    }: { readonly path: string | PathPattern | null; readonly socketListeners: SocketListeners },
  ) {
    super({
      maxPayload: limits.maxMessageBytes,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: maxChunks(limits.maxMessageBytes),
      ...options,
      closeTimeout: drain.closeTimeoutMs,
      clientTracking: true,
      noServer: true,
      // `ws` keeps the chosen name, a slice of the header, for as long as the socket is open.
      handleProtocols: (names: Set<string>, request: IncomingMessage) => {
        const chosen = handleProtocols(names, request);
        return typeof chosen === 'string' ? detachString(chosen) : chosen;
      },
      WebSocket: TrackedSocket,
    } as ServerOptions);
    this.pattern = path instanceof PathPattern ? path : null;
    this.path = path instanceof PathPattern ? path.text : (path ?? '/');
    this.servesEveryPath = path === null;
    this.verifyClient = verifyClient;
    this.socketListeners = socketListeners;
  }

  /** @internal */
  pathOf(request: IncomingMessage): string {
    if (this.pattern !== null) return detachString(pathOf(request));
    return this.servesEveryPath ? pathOf(request) : this.path;
  }

  /** @internal */
  opened(client: TrackedSocket, { request }: Upgrade): void {
    this.emit('connection', client, request);
  }

  /** Emits like any emitter, but an error of a listener affects neither the client's upgrade nor the other listeners. */
  override emit(event: string | symbol, ...given: unknown[]): boolean {
    if (event !== 'connection' && event !== 'headers') return super.emit(event, ...given);
    if (event === 'headers') joinHeaders(given as [string[], IncomingMessage]);
    return emitGuarded(this, event, given, error =>
      this.failed(`a listener of "${event}" on a gateway's server`, error),
    );
  }
}

/**
 * Adds the headers that guards and middleware have set to those of the handshake. `ws` writes them as a text, so Latin-1, in which Node
 * writes a head, is the encoding of the socket until the connection opens.
 */
function joinHeaders([lines, request]: [lines: string[], request: IncomingMessage]): void {
  for (const [name, value] of answerHeaders(request)) {
    lines.push(`${name}: ${value}`);
    if (NOT_ASCII.test(value)) request.socket.setDefaultEncoding('latin1');
  }
}

/** The default choice of `ws`. */
function firstOf(names: Set<string>): string | false {
  const [first = false] = names;
  return first;
}

/**
 * The path of a request without the query string, which is never kept. A request target in absolute form is supported (RFC 9112, section
 * 3.2.2).
 */
export function pathOf({ url = '/' }: IncomingMessage): string {
  if (!url.startsWith('/') && URL.canParse(url)) return new URL(url).pathname;
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
