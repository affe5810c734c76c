import type { IncomingMessage } from 'node:http';

import { type ServerOptions, WebSocketServer } from 'ws';

import { emitGuarded } from '../../connection/guarded-emit.js';
import { TrackedSocket } from '../../connection/tracked-socket.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { detachString } from '../../base/detach-string.js';
import { RoutingTable } from './routing-table.js';
import type { VerifyClient } from './verify-client.js';

/** What a gateway's decorator may hold beside `ws`' own options. */
export interface GatewayServerOptions {
  readonly path?: string;
  readonly namespace?: string;
  readonly verifyClient?: VerifyClient;
  readonly handleProtocols?: ServerOptions['handleProtocols'];
  readonly [option: string]: unknown;
}

/**
 * How many pieces of a message in the making are held: each costs some 300 bytes beside its content, so a message that comes
 * byte by byte must not be let in whole.
 */
const MIN_CHUNKS = 16_384;
const BYTES_PER_CHUNK = 64;

/** A server of one path on one port. */
export class PathServer extends WebSocketServer {
  /** As {@link gatewayPath} writes it; `/` also where every path is served. */
  override readonly path: string;
  /** Whether this is the server of a gateway without a path, on a port of its own: as with `WsAdapter`, it serves every path. */
  readonly servesEveryPath: boolean;
  /** Whether a gateway named the path with a slash at its end: requests may have one then. */
  takesSlash = false;
  readonly table = new RoutingTable();
  /** Takes what a listener of the app threw. */
  failed: (what: string, error: unknown) => void = () => undefined;
  /** The gateway's own hook. Not given to `ws`, which would ask it about those too who are refused already. */
  readonly verifyClient: VerifyClient | undefined;

  constructor(
    { limits, drain }: ResolvedOptions,
    { verifyClient, handleProtocols = firstOf, ...options }: GatewayServerOptions,
    path: string | null,
  ) {
    super({
      maxPayload: limits.maxMessageBytes,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: Math.max(MIN_CHUNKS, Math.ceil(limits.maxMessageBytes / BYTES_PER_CHUNK)),
      ...options,
      closeTimeout: drain.closeTimeoutMs,
      clientTracking: true,
      noServer: true,
      // `ws` cuts names out of the header, and keeps the chosen one for as long as the socket lives.
      handleProtocols: (names: Set<string>, request: IncomingMessage) => {
        const chosen = handleProtocols(names, request);
        return typeof chosen === 'string' ? detachString(chosen) : chosen;
      },
      WebSocket: TrackedSocket,
    } as ServerOptions);
    this.path = path ?? '/';
    this.servesEveryPath = path === null;
    this.verifyClient = verifyClient;
  }

  /** As any emitter, but the listeners of a client cannot fail its upgrade, nor each other. */
  override emit(event: string | symbol, ...given: unknown[]): boolean {
    if (event !== 'connection' && event !== 'headers') return super.emit(event, ...given);
    return emitGuarded(this, event, given, error =>
      this.failed(`a listener of "${event}" on a gateway's server`, error),
    );
  }
}

/** What `ws` chooses by itself. */
function firstOf(names: Set<string>): string | false {
  const [first = false] = names;
  return first;
}

/** The path of a request, without the query string, which is never kept; also of one in absolute form (RFC 9112, section 3.2.2). */
export function pathOf({ url = '/' }: IncomingMessage): string {
  if (!url.startsWith('/') && URL.canParse(url)) return new URL(url).pathname;
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
