import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

import { type ServerOptions, WebSocketServer } from 'ws';

import { readFrameHeader } from '../../../apps/loadtest/src/frames.js';
import type { Connection } from '../../../libs/heartbeat/src/connection/connection.js';
import { TrackedSocket } from '../../../libs/heartbeat/src/transports/ws/tracked-socket.js';

/** One end of a connection without a network: bytes written to it arrive at the other end. */
export class Line extends Duplex {
  other: Line | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }
}

const upgrade = {
  method: 'GET',
  url: '/',
  headers: {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
  },
};

const UPGRADED = Buffer.from('\r\n\r\n');

/** The whole frames of a server, as they are on the wire. */
function framesIn(bytes: Buffer) {
  const frames = [];
  for (let at = 0, header; (header = readFrameHeader(bytes, at)) !== null;) {
    const start = at + header.bytes;
    at = start + header.length;
    if (at > bytes.length) break;
    frames.push({ ...header, payload: bytes.subarray(start, at) });
  }
  return frames;
}

export const turn = () => new Promise(resolve => setImmediate(resolve));

/** A `TrackedSocket` with a stub as its connection, and the client at the other end. */
export class SocketPair {
  client!: Line;
  network!: Line;
  socket!: TrackedSocket;
  /** The calls of the connection by the socket, in order. */
  calls: unknown[] = [];
  mayQueue = true;
  /** The bytes that arrived at the client's end. */
  received: Buffer[] = [];

  open(options: Omit<ServerOptions, 'WebSocket'> = {}, headers: Record<string, string> = {}): void {
    const line = (this.client = new Line());
    this.network = new Line();
    [this.client.other, this.network.other] = [this.network, this.client];
    this.received = [];
    line.on('data', (chunk: Buffer) => line === this.client && this.received.push(chunk));
    this.calls = [];
    this.mayQueue = true;
    const limits = { maxPayload: 100, maxFragments: 4 };
    const server = new WebSocketServer({ noServer: true, WebSocket: TrackedSocket, ...limits, ...options });
    const request = { ...upgrade, headers: { ...upgrade.headers, ...headers } } as unknown as IncomingMessage;
    server.handleUpgrade(request, this.network, Buffer.alloc(0), opened => {
      this.socket = opened;
    });
    this.socket.on('error', () => undefined);
    this.socket.attach(this.network as unknown as Socket);
    this.socket.track({
      channel: this.socket,
      closeBegun: (closing: unknown) => this.calls.push(closing),
      admits: (_kind: string, bytes: number) => (this.calls.push(bytes), this.mayQueue),
      catchUp: () => undefined,
      beforePong: () => undefined,
    } as unknown as Connection);
  }

  /** The bytes after the response to the upgrade. */
  afterUpgrade(): Buffer {
    const bytes = Buffer.concat(this.received);
    return bytes.subarray(bytes.indexOf(UPGRADED) + UPGRADED.length);
  }

  /** The received frames, once there are this many. @param from Where the first one begins; by default after the response to the upgrade. */
  async frames(count: number, from?: number) {
    for (;;) {
      const all = framesIn(from === undefined ? this.afterUpgrade() : Buffer.concat(this.received).subarray(from));
      if (all.length >= count) return all;
      await turn();
    }
  }
}
