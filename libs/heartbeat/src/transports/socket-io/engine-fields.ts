import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import type { WebSocket, WebSocketServer } from 'ws';

/**
 * The parts of engine.io 6.6 and socket.io 4.8 that are used. Parts without a public description are marked: private
 * (docs/decisions/0024). Tests with real clients fail if they change.
 */

/** One packet of a session. Its `data` is present in packets of Socket.IO, which have the type `message`. */
export interface EnginePacket {
  type: string;
  data?: string | Buffer;
  readonly options?: { readonly wsPreEncodedFrame?: readonly Buffer[] };
}

/** The HTTP polling or the WebSocket of a session. */
export interface EngineTransport extends EventEmitter {
  readonly name: 'polling' | 'websocket' | 'webtransport';
  readonly readyState: string;
  /** The WebSocket; absent while the session polls. */
  readonly socket?: WebSocket;
  /** Whether a flush would be written now. */
  writable: boolean;
  /** Private: the time that a polling client has to fetch its close, in milliseconds. */
  closeTimeout?: number;
  /** Private: ends a polling transport whose close has begun and was not fetched yet. */
  readonly shouldClose?: (() => void) | null;
}

/** The `Socket` of engine.io: one client. */
export interface EngineSession extends EventEmitter {
  readonly id: string;
  readonly request: EngineRequest;
  readonly transport: EngineTransport;
  readyState: string;
  /** Packets that were not given to the transport. */
  readonly writeBuffer: readonly EnginePacket[];
  /** Private: callbacks of those packets, and of packets that were given to the transport, by flush. */
  readonly packetsFn: (() => void)[];
  readonly sentCallbackFn: ((() => void)[] | null)[];
  /** Private: the two timers of a session. */
  pingIntervalTimer: NodeJS.Timeout | null;
  pingTimeoutTimer: NodeJS.Timeout | null;
  write(data: string | Buffer, options: object): unknown;
  close(discard?: boolean): unknown;
  /** Private: sends a packet of any type. */
  sendPacket(type: string): void;
  /** Private: gives all packets to the transport where it is writable. */
  flush(): void;
}

/** A request to a server of engine.io. The response is absent for an upgrade. */
export interface EngineRequest extends IncomingMessage {
  readonly _query: Readonly<Record<string, string | undefined>>;
  readonly res?: ServerResponse | null;
}

export type AllowRequest = (
  request: EngineRequest,
  done: (error: string | null | undefined, success: boolean) => void,
) => void;

/** The options of engine.io that are used. It reads them at each use. */
export interface EngineOptions {
  pingInterval: number;
  pingTimeout: number;
  maxHttpBufferSize: number;
  allowRequest?: AllowRequest;
  wsEngine: unknown;
  readonly allowEIO3?: boolean | undefined;
  readonly transports: readonly string[];
  readonly cors?: unknown;
  /** Absent for an engine that the application attached itself. */
  readonly path?: string;
  readonly addTrailingSlash?: boolean;
}

export type EngineMiddleware = (
  request: EngineRequest,
  response: ServerResponse,
  next: (error?: Error) => void,
) => void;

/** The server of engine.io. */
export interface Engine extends EventEmitter {
  readonly opts: EngineOptions;
  readonly clients: Readonly<Record<string, EngineSession>>;
  readonly ws?: WebSocketServer;
  use(middleware: EngineMiddleware): void;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Protected: replaces `ws` by one of `opts.wsEngine`. */
  init(): void;
}

/** The `Socket` of Socket.IO: one client in one namespace. */
export interface NamespaceSocket {
  readonly id: string;
  readonly conn: EngineSession;
  readonly client: NamespaceClient;
  readonly nsp: Namespace;
  readonly recovered: boolean;
  readonly data: object;
  emit(event: string, ...values: unknown[]): boolean;
  disconnect(): unknown;
}

/** The client of Socket.IO: the namespaces that a session has joined. */
export interface NamespaceClient {
  readonly conn: EngineSession;
  /** Private: by name. */
  readonly nsps: ReadonlyMap<string, NamespaceSocket>;
}

/** The kept state of a client that has disconnected. */
export interface KeptSession {
  readonly sid: string;
  readonly pid: string;
  readonly data: unknown;
}

export interface Namespace extends EventEmitter {
  readonly name: string;
  readonly sockets: ReadonlyMap<string, NamespaceSocket>;
  readonly adapter: {
    persistSession(session: KeptSession): void;
    restoreSession(pid: string, offset: string): Promise<KeptSession | null> | null;
  };
  /** Private: adds a client, whose session it restores in this call. */
  _add(client: NamespaceClient, ...given: unknown[]): Promise<unknown>;
}

/** Encodes the packets of Socket.IO: texts, and a buffer for each binary value. */
export interface Encoder {
  encode(packet: { readonly type: number; readonly nsp: string; readonly data: unknown }): (string | Buffer)[];
}

/** The server of Socket.IO. */
export interface SocketIoServer extends EventEmitter {
  /** Absent before it is attached to an HTTP server. */
  readonly engine?: Engine;
  readonly httpServer?: HttpServer;
  readonly sockets: Namespace;
  /** Private: the options of the application. */
  readonly opts: {
    readonly cors?: unknown;
    readonly maxHttpBufferSize?: number;
    readonly wsEngine?: unknown;
    readonly allowEIO3?: boolean;
    readonly transports?: readonly string[];
    readonly parser?: unknown;
    readonly connectionStateRecovery?: unknown;
  };
  /** Private: the namespaces by name. */
  readonly _nsps: ReadonlyMap<string, Namespace>;
  /** Private: the parser, and its encoder. */
  readonly _parser: { readonly Decoder: new () => EventEmitter & { add(data: string | Buffer): void } };
  readonly encoder: Encoder;
  bind(engine: unknown): this;
}
