import type { INestApplication, Provider, Type } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Test } from '@nestjs/testing';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  ConnectionService,
  type EventPayload,
  HeartbeatEvents,
  HeartbeatModule,
  type HeartbeatOptions,
} from 'nestjs-heartbeat';
import { HeartbeatIoAdapter } from 'nestjs-heartbeat/socket.io';
import type { ServerOptions } from 'socket.io';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { watchLeaks } from '../assert/leaks.js';
import { unstamped } from '../assert/unstamped.js';
import { CapturingLogger } from './app.js';
import { NO_LOAD } from './no-load.js';

/** How an {@link IoApp} is made. */
export interface IoAppOptions {
  readonly gateways?: readonly Type<unknown>[];
  readonly providers?: readonly Provider[];
  readonly options?: HeartbeatOptions;
  /** Default: `ours`. */
  readonly adapter?: 'stock' | 'ours';
  /** Options of Socket.IO, for the gateways of our adapter. */
  readonly server?: Partial<ServerOptions>;
  readonly http?: 'express' | 'fastify';
  /** Called before the app listens. */
  readonly configure?: (app: INestApplication) => unknown;
}

export type IoClientOptions = Partial<ManagerOptions & SocketOptions> & { readonly namespace?: string };

/** A Nest app with Socket.IO in this process, on a free port, by Nest's adapter or ours. {@link closeAll} ends its clients and itself. */
export class IoApp {
  static readonly #running = new Set<IoApp>();
  readonly #clients: Socket[] = [];
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(
    readonly app: INestApplication,
    readonly logger: CapturingLogger,
    private readonly assertNothingLeft: () => Promise<void>,
  ) {}

  static async start({ gateways = [], providers = [], options = {}, ...rest }: IoAppOptions = {}): Promise<IoApp> {
    const assertNothingLeft = watchLeaks();
    const logger = new CapturingLogger();
    const drain = { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000, ...options.drain };
    const imports = rest.adapter === 'stock' ? [] : [HeartbeatModule.forRoot({ load: NO_LOAD, ...options, drain })];
    const builder = Test.createTestingModule({ imports, providers: [...gateways, ...providers] }).setLogger(logger);
    const module = await builder.compile();
    const app =
      rest.http === 'fastify'
        ? module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger })
        : module.createNestApplication({ logger });
    app.useWebSocketAdapter(rest.adapter === 'stock' ? new IoAdapter(app) : new HeartbeatIoAdapter(app, rest.server));
    await rest.configure?.(app);
    await app.listen(0, '127.0.0.1');
    const started = new IoApp(app, logger, assertNothingLeft);
    IoApp.#running.add(started);
    return started;
  }

  static async closeAll(): Promise<void> {
    for (const running of IoApp.#running) await running.close();
  }

  get port(): number {
    return (this.app.getHttpServer() as { address(): AddressInfo }).address().port;
  }

  get connections(): ConnectionService {
    return this.app.get(ConnectionService);
  }

  /** All events from now on; the list grows. */
  recordEvents(): EventPayload[] {
    const seen: EventPayload[] = [];
    const subscription = this.app.get(HeartbeatEvents).stream.subscribe(event => seen.push(unstamped(event)));
    this.onClose(() => subscription.unsubscribe());
    return seen;
  }

  /** A client with a connection of its own, which it does not repeat unless told so. */
  client({ namespace = '/', port = this.port, ...options }: IoClientOptions = {}): Socket {
    const client = io(`http://127.0.0.1:${port}${namespace}`, { forceNew: true, reconnection: false, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client that has joined its namespace. */
  async connected(options: IoClientOptions = {}): Promise<Socket> {
    const client = this.client(options);
    await new Promise<void>((resolve, reject) => {
      client.once('connect', resolve);
      client.once('connect_error', reject);
    });
    return client;
  }

  /** Runs `cleanup` before the app closes, the last one first. */
  onClose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    if (!IoApp.#running.delete(this)) return;
    for (const cleanup of this.#cleanups.splice(0).toReversed()) await cleanup();
    for (const client of this.#clients) client.disconnect();
    await this.app.close();
    await this.assertNothingLeft();
  }
}

/** The next values of an event at a client. */
export async function next(client: Socket, event: string): Promise<unknown[]> {
  return once(client as never, event);
}
