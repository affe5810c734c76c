import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';

import type { Connection } from '../../connection/connection.js';
import { closeCall } from '../ws/close-call.js';
import { isClosedByPeer } from '../ws/ws-fields.js';

/** The session of a WebSocket. */
export interface SocketSession {
  readonly tracked: Connection | undefined;
  pinged(): void;
  socketFailed(error: NodeJS.ErrnoException): void;
}

/** The WebSocket of a session. engine.io creates it through its option `wsEngine`. */
export class EngineSocket extends WebSocket {
  /** The network socket under it. */
  network!: Socket;
  /** Set when a session uses it: at the opening, or when the upgrade from polling is complete. */
  session: SocketSession | null = null;
  /** The end as `ws` reports it; 0 before. */
  endCode = 0;
  endReason = '';

  attach(network: Socket): void {
    this.network = network;
    this.on('close', recordEnd).on('error', reportError);
  }

  /** A ping of the client, which `ws` answers by itself. */
  override pong(data?: unknown, mask?: boolean, sent?: (error: Error) => void): void {
    this.session?.pinged();
    super.pong(data, mask, sent);
  }

  /** Called by `ws` to answer the close frame of the client, and for a protocol error; by engine.io for a close of the application. */
  override close(code?: number, reason?: string | Buffer): void {
    const by = isClosedByPeer(this) ? 'client' : 'server';
    super.close(code, reason);
    this.session?.tracked?.closeBegun(...closeCall(by, code, reason));
  }

  /** Begins the closing handshake of a close that is already recorded. */
  shut(code: number, reason: string): void {
    super.close(code, reason);
  }

  probe(): void {
    super.pong();
  }
}

function recordEnd(this: WebSocket, code: number, reason: Buffer): void {
  Object.assign(this, { endCode: code, endReason: reason.toString() } satisfies Partial<EngineSocket>);
}

function reportError(this: WebSocket, error: Error): void {
  (this as EngineSocket).session?.socketFailed(error);
}

/** A class for the option `wsEngine`: its servers create sockets of this library, with limits that engine.io does not set. */
export function engineSockets(limits: ServerOptions): typeof WebSocketServer {
  return class extends WebSocketServer {
    constructor(options: ServerOptions) {
      super({ ...limits, ...options, WebSocket: EngineSocket });
    }

    override handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      upgraded: (client: WebSocket, request: IncomingMessage) => void,
    ): void {
      super.handleUpgrade(request, socket, head, client => {
        (client as EngineSocket).attach(request.socket);
        upgraded(client, request);
      });
    }
  } as typeof WebSocketServer;
}
