import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

import type { ServerOptions, WebSocket, WebSocketServer } from 'ws';

import { guarded } from '../../connection/lifetime.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { maxChunks, pathOf } from './path-server.js';
import type { ServedServer } from './served-server.js';
import { socketClassFor } from './socket-class.js';
import type { SocketListeners } from './socket-listeners.js';
import { StringInterner } from './string-interner.js';
import type { TrackedListener } from './tracked-listener.js';
import type { TrackedSocket } from './tracked-socket.js';
import type { Upgrade } from './upgrade.js';
import type { VerifyClient } from './verify-client.js';
import { httpServerOf } from './ws-fields.js';

type Options = ServerOptions & Record<string, unknown>;

/** Defaults of `ws`, which the options of this library replace. Other values are those of the application, and stay. */
const REPLACED: Readonly<Record<string, unknown>> = {
  maxPayload: 100 * 1024 * 1024,
  maxFragments: 16 * 1024,
  maxBufferedChunks: 256 * 1024,
  closeTimeout: 30_000,
};
/** Defaults that an older `ws` lacks, and that our sockets read. */
const MISSING: Readonly<Record<string, unknown>> = {
  autoPong: true,
  allowSynchronousEvents: true,
  maxPendingAutoPongs: 60,
};

/** An upgrade that a server was given by its owner. */
export type GivenUpgrade = Pick<Upgrade, 'request' | 'socket' | 'head'> & Required<Pick<Upgrade, 'upgraded'>>;

/** The node's part of a tracked server. */
export interface TrackedServerOptions {
  readonly options: ResolvedOptions;
  readonly socketListeners: SocketListeners;
  /** The sockets that are connections. */
  readonly sockets: Set<TrackedSocket>;
  /** The only path that is served; null for each that the server itself accepts. */
  readonly path: string | null;
  /** Its owner closes the server. */
  readonly closing: () => void;
  /** The server was given an upgrade, which is not settled yet. */
  readonly received: (server: TrackedServer, upgrade: GivenUpgrade) => void;
  readonly failed: (what: string, error: unknown) => void;
}

/**
 * A `ws` server of the application, of any version of `ws`. Its `handleUpgrade`, whatever calls it, passes admission first, and its sockets
 * are {@link TrackedSocket}s. The rest is its own: its routing, protocols, compression, `clients`, listeners and `close()`.
 */
export class TrackedServer implements ServedServer, TrackedListener {
  readonly socketListeners: SocketListeners;
  readonly kind = 'ws';
  /** Its messages are for its own listeners. */
  readonly table = undefined;
  /** The HTTP server on which it listens for upgrades itself; undefined with `noServer`. */
  readonly http: Server | undefined;
  readonly #handleUpgrade: WebSocketServer['handleUpgrade'];
  readonly #paths = new StringInterner();
  /** Undoes all changes of the server. */
  readonly restore: () => void;

  constructor(
    private readonly server: WebSocketServer,
    private readonly given: TrackedServerOptions,
  ) {
    this.socketListeners = given.socketListeners;
    this.http = httpServerOf(server);
    // The method of the class, or one that the application has put there.
    this.#handleUpgrade = server.handleUpgrade;
    const restoreOptions = this.#setOptions(server.options as Options);
    const { close } = server;
    const restored = [
      replace(server, 'handleUpgrade', (request, socket, head, done) => {
        // A request without a socket is no client of the network, but for example that of a test.
        if (!(request.socket as unknown)) return this.handleUpgrade(request, socket, head, done);
        given.received(this, { request, socket, head, upgraded: client => done(client, request) });
      }),
      // Its event `close` follows the end of all clients, and its listener is removed now.
      replace(server, 'close', closed => {
        given.closing();
        Reflect.apply(close, server, [closed]);
      }),
    ];
    this.restore = () => {
      restoreOptions();
      for (const restore of restored) restore();
    };
  }

  /** Its own hook, which `ws` would call before admission. */
  get verifyClient(): VerifyClient | undefined {
    return (this.server.options.verifyClient as VerifyClient | null | undefined) ?? undefined;
  }

  /** Whether the server accepts the path of a request. An error of the application's own `shouldHandle` counts as no. */
  serves(request: IncomingMessage): boolean {
    const { path } = this.given;
    let isServed = false;
    const ask = () => {
      isServed = (path === null || pathOf(request) === path) && Boolean(this.server.shouldHandle(request));
    };
    guarded(ask, 'shouldHandle', this.given.failed);
    return isServed;
  }

  pathOf(request: IncomingMessage): string {
    return this.#paths.one(pathOf(request));
  }

  receive(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { server } = this;
    server.handleUpgrade(request, socket, head, client => server.emit('connection', client, request));
  }

  /** The handshake of `ws`, without the hook that has run already. */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    upgraded: (client: WebSocket, request: IncomingMessage) => void,
  ): void {
    const { server } = this;
    const { verifyClient } = server.options;
    const isAsked = Boolean(request.socket as unknown);
    if (isAsked) server.options.verifyClient = null as unknown as undefined;
    try {
      Reflect.apply(this.#handleUpgrade, server, [request, socket, head, upgraded]);
    } finally {
      if (isAsked) server.options.verifyClient = verifyClient;
    }
  }

  /** Passes the socket to the owner. An error of its listeners is reported, and the connection stays. */
  opened(client: TrackedSocket, { upgraded }: Upgrade): void {
    this.given.sockets.add(client);
    guarded(() => upgraded?.(client), 'a listener of "connection"', this.given.failed);
  }

  /** Sets the limits of this library. Returns a function that undoes that. */
  #setOptions(options: Options): () => void {
    const { limits, drain } = this.given.options;
    const before: Options = { ...options };
    const maxPayload = limits.maxMessageBytes;
    const own: Options = {
      ...MISSING,
      maxPayload,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: maxChunks(maxPayload),
      closeTimeout: drain.closeTimeoutMs,
    };
    for (const [key, value] of Object.entries(own)) {
      if (options[key] === undefined || (key in REPLACED && options[key] === REPLACED[key])) options[key] = value;
    }
    options.WebSocket = socketClassFor(options) as NonNullable<ServerOptions['WebSocket']>;
    return () => {
      for (const key of [...Object.keys(own), 'WebSocket']) {
        if (key in before) options[key] = before[key];
        else delete options[key];
      }
    };
  }
}

/** Replaces a method of one server. Returns a function that undoes that, unless the application has replaced it since. */
function replace<Name extends 'handleUpgrade' | 'close'>(
  server: WebSocketServer,
  name: Name,
  replacement: WebSocketServer[Name],
): () => void {
  const before = server[name];
  const isOwn = Object.hasOwn(server, name);
  server[name] = replacement;
  return () => {
    if (server[name] !== replacement) return;
    if (isOwn) server[name] = before;
    else Reflect.deleteProperty(server, name);
  };
}
