import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { ADVISED_MS, type Case, CASES } from './cases.js';

/** What a server of the client's protocol answers, so that the client is connected. */
const GREETINGS: Record<string, (text: string) => string | undefined> = {
  'graphql-ws': text => (text.includes('connection_init') ? '{"type":"connection_ack"}' : undefined),
  'socket.io-client': text => (text === '40' ? '40{"sid":"a"}' : undefined),
  centrifuge: text => (text.includes('"connect"') ? '{"id":1,"connect":{"client":"a","version":"1"}}' : undefined),
  '@microsoft/signalr': text => (text.includes('"protocol"') ? '{}\u001e' : undefined),
};
const ENGINE_IO_OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
/** The codes that clients of graphql-ws receive instead: docs/protocol.md. */
const FOR_GRAPHQL: Record<number, number> = { 4005: 4408, 4500: 4401 };

/** The connections of one client in one case. */
export class Visits {
  /** When each upgrade request came. */
  readonly attempts: number[] = [];
  /** When the first connection, and each refused one, had ended. */
  readonly ends: number[] = [];

  /** Milliseconds from the end of one connection to the next attempt. */
  get returns(): number[] {
    return this.attempts.slice(1).map((at, index) => at - (this.ends[index] ?? NaN));
  }
}

/**
 * Sends what a server with this library sends. The first connection of a client meets its case; later ones stay, or are refused with 503. The
 * path of a client is `/<least|most>/<case>/<client>`.
 */
export class ForeignServer {
  readonly #http: Server = createServer((_request, response) => response.end('<!doctype html><title>clients</title>'));
  readonly #ws = new WebSocketServer({ noServer: true });
  readonly #sockets = new Set<Duplex>();
  readonly #visits = new Map<string, Visits>();

  private constructor(private readonly refusesReturns: boolean) {
    this.#http.on('connection', socket => this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket))));
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  static async start({ refusesReturns = false } = {}): Promise<ForeignServer> {
    const server = new ForeignServer(refusesReturns);
    await new Promise<void>(resolve => server.#http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** @param place `<least|most>/<case>/<client>` */
  visitsOf(place: string): Visits {
    const known = this.#visits.get(place);
    if (known) return known;
    const visits = new Visits();
    this.#visits.set(place, visits);
    return visits;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#http.close(resolve));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Phoenix and Socket.IO append to the path that they are given.
    const path = decodeURIComponent(request.url!).replace(/(\/websocket|\/)?(\?.*)?$/, '');
    const [, draw, name, ...words] = path.split('/');
    const client = words.join('/');
    const visits = this.visitsOf(`${draw}/${name}/${client}`);
    visits.attempts.push(performance.now());
    socket.on('error', () => {});
    const met = CASES[name!]!;
    const isFirst = visits.attempts.length === 1;
    if (!isFirst && this.refusesReturns) return refuse(socket, 503, visits);
    if (isFirst && typeof met === 'object' && 'status' in met) return refuse(socket, met.status, visits);
    this.#ws.handleUpgrade(request, socket, head, opened => {
      if (isFirst) opened.once('close', () => visits.ends.push(performance.now()));
      serve(opened, client, () => (isFirst ? end(opened, met, client) : undefined));
    });
  }
}

function refuse(socket: Duplex, status: number, visits: Visits): void {
  const headers = `Content-Type: application/problem+json\r\nRetry-After: ${ADVISED_MS / 1000}\r\nContent-Length: 2`;
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n${headers}\r\n\r\n{}`);
  visits.ends.push(performance.now());
}

/** @param ready Called at a message with `ready` in it, which the client sends once it is connected. */
function serve(socket: WebSocket, client: string, ready: () => void): void {
  if (client === 'socket.io-client') socket.send(ENGINE_IO_OPEN);
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    const answer = GREETINGS[client]?.(text);
    if (answer !== undefined) socket.send(answer);
    if (text.includes('ready')) ready();
  });
}

function end(socket: WebSocket, met: Case, client: string): void {
  if (met === 'lost') return socket.terminate();
  if ('status' in met) return;
  // Clients of Socket.IO first receive the disconnect packet of its protocol.
  if (client === 'socket.io-client' && met.code >= 4500) socket.send('41');
  socket.close((client === 'graphql-ws' && FOR_GRAPHQL[met.code]) || met.code, met.reason);
}
