import type { INestApplication, ModuleMetadata, Provider, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { HeartbeatModule, type HeartbeatOptions, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { WebSocket } from 'ws';
import { testCertificate } from './test-certificate.js';
import { NO_LOAD } from './no-load.js';

/** The longest wait for an answer; a busy machine needs some of it. */
const ANSWER_MS = 30_000;

export const PLATFORMS = ['express', 'fastify', 'https', 'fastify https'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** How a {@link SharedPort} is made. */
export interface SharedPortOptions {
  readonly platform?: Platform;
  readonly gateways?: readonly Type<unknown>[];
  readonly controllers?: readonly Type<unknown>[];
  readonly imports?: ModuleMetadata['imports'];
  readonly providers?: readonly Provider[];
  readonly options?: HeartbeatOptions;
  /** Called at these moments with the application's HTTP server. */
  readonly beforeAdapter?: (server: Server) => unknown;
  readonly afterAdapter?: (server: Server) => unknown;
  readonly afterListen?: (server: Server) => unknown;
  /** Whether the server listens before the application has bootstrapped. */
  readonly listensEarly?: boolean;
}

/** An application on Express or Fastify, with or without TLS, whose HTTP server other `upgrade` listeners may share. */
export class SharedPort {
  static readonly #running = new Set<SharedPort>();
  readonly #sockets: { destroy(): unknown }[] = [];

  private constructor(
    readonly app: INestApplication,
    readonly server: Server,
    readonly isTls: boolean,
  ) {}

  static async start({
    platform = 'express',
    gateways = [],
    controllers = [],
    imports = [],
    providers = [],
    ...rest
  }: SharedPortOptions): Promise<SharedPort> {
    const isTls = platform.endsWith('https');
    const drain = { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000, ...rest.options?.drain };
    @Module({
      imports: [HeartbeatModule.forRoot({ load: NO_LOAD, ...rest.options, drain }), ...imports],
      providers: [...gateways, ...providers],
      controllers: [...controllers],
    })
    class Root {}
    const given = { logger: false as const, abortOnError: false, ...(isTls && { httpsOptions: testCertificate }) };
    const fastify = () => new FastifyAdapter(isTls ? { https: testCertificate } : {});
    const app = platform.startsWith('fastify')
      ? await NestFactory.create(Root, fastify(), given)
      : await NestFactory.create(Root, given);
    const server = app.getHttpServer() as Server;
    await rest.beforeAdapter?.(server);
    app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
    await rest.afterAdapter?.(server);
    if (rest.listensEarly) {
      await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
      await app.init();
    } else await app.listen(0, '127.0.0.1');
    await rest.afterListen?.(server);
    const started = new SharedPort(app, server, isTls);
    SharedPort.#running.add(started);
    return started;
  }

  static async closeAll(): Promise<void> {
    for (const running of SharedPort.#running) await running.close();
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!SharedPort.#running.delete(this)) return;
    for (const socket of this.#sockets) socket.destroy();
    await this.app.close();
  }

  /** A connected socket, destroyed before the application closes. */
  async socket(port = this.port): Promise<Socket> {
    const socket: Socket | TLSSocket = this.isTls
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
    this.#sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, this.isTls ? 'secureConnect' : 'connect');
    return socket;
  }

  /** Sends bytes, and returns what the server has answered once that matches `complete`; at the socket's end without it. */
  async exchange(bytes: string | Buffer, complete?: RegExp): Promise<string> {
    return answerTo(await this.socket(), bytes, complete);
  }

  /** A WebSocket of `ws`; resolves with it, or with the status of the refusal. */
  async webSocket(path: string, protocols: string[] = [], heard?: (text: string) => void): Promise<WebSocket | number> {
    const scheme = this.isTls ? 'wss' : 'ws';
    const client = new WebSocket(`${scheme}://127.0.0.1:${this.port}${path}`, protocols, { rejectUnauthorized: false });
    this.#sockets.push({ destroy: () => client.terminate() });
    client.on('error', () => undefined);
    client.on('message', (data: Buffer) => heard?.(data.toString()));
    return new Promise((resolve, reject) => {
      client.on('open', () => resolve(client));
      client.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      client.on('error', reject);
    });
  }

  /** The text of the first message that answers `text`. */
  async echo(path: string, text: string, protocols: string[] = []): Promise<string> {
    const client = await this.webSocket(path, protocols);
    if (typeof client === 'number') return `refused: ${client}`;
    client.send(text);
    const [data] = (await once(client, 'message')) as [Buffer];
    client.close();
    return data.toString();
  }
}

/** Writes `bytes`; see {@link SharedPort.exchange}. Waits for events: hundreds of polls at once would hold the event loop. */
export async function answerTo(socket: Socket, bytes: string | Buffer, complete?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const take = (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (complete?.test(received)) end();
    };
    const end = () => {
      clearTimeout(timer);
      socket.off('data', take).off('close', end);
      resolve(received);
    };
    const timer = setTimeout(() => {
      reject(new Error(`waited ${ANSWER_MS} ms for an answer: ${received}`));
      end();
    }, ANSWER_MS);
    socket.on('data', take).on('close', end);
    socket.write(bytes);
  });
}

/** A head of an upgrade request. */
export function upgradeHead(
  path: string,
  headers: Record<string, string> = {},
  requestLine = `GET ${path} HTTP/1.1`,
): string {
  const all = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [requestLine, ...lines, '', ''].join('\r\n');
}

/** An `upgrade` listener of a guest. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
