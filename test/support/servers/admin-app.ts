import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ConnectionView,
  type HeartbeatExtras,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
  type TrackedSocket,
} from 'nestjs-heartbeat';

import { CapturingLogger } from './app.js';
import { type Answer, ask, type Question } from '../clients/ask.js';
import { watchLeaks } from '../assert/leaks.js';
import { RawClient, type RawClientOptions } from '../clients/raw-client.js';
import { NO_LOAD } from './no-load.js';

/** The HTTP platforms of Nest that the library works on. */
export const PLATFORMS: readonly (readonly [name: string, platform: Platform])[] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
];
export type Platform = () => ExpressAdapter | FastifyAdapter;

export const TOKENS = [
  { token: 'see', role: 'viewer', name: 'screen' },
  { token: 'do', role: 'operator', name: 'ops' },
] as const;

/** The `Content-Type` of every error. */
export const PROBLEM = /^application\/problem\+json/;

/** Takes the user and a label from the address: `/ws?user=u&team=red`. */
@WebSocketGateway({ path: '/ws' })
class IdentifyingGateway {
  handleConnection({ connection }: TrackedSocket, { url = '' }: IncomingMessage): void {
    const query = new URL(url, 'ws://x').searchParams;
    const [userId, team] = [query.get('user'), query.get('team')];
    if (userId !== null) connection?.identify({ userId, ...(team !== null && { labels: { team } }) });
  }
}

/** An app with admin routes on either platform, and a hand to ask them. End all with {@link AdminApp.closeAll} in an `afterEach`. */
export class AdminApp {
  static readonly #running = new Set<AdminApp>();
  readonly #clients: RawClient[] = [];

  private constructor(
    readonly app: INestApplication,
    readonly logger: CapturingLogger,
    private readonly assertNothingLeft: () => Promise<void>,
  ) {
    AdminApp.#running.add(this);
  }

  static async start(
    platform: Platform,
    options: HeartbeatOptions & HeartbeatExtras = { admin: { tokens: TOKENS } },
    configure?: (app: INestApplication) => unknown,
    { providers = [], controllers = [] }: Pick<ModuleMetadata, 'providers' | 'controllers'> = {},
  ): Promise<AdminApp> {
    const assertNothingLeft = watchLeaks();
    const logger = new CapturingLogger();
    const imports = [HeartbeatModule.forRoot({ load: NO_LOAD, ...options })];
    const module = await Test.createTestingModule({
      imports,
      controllers,
      providers: [IdentifyingGateway, ...providers],
    })
      .setLogger(logger)
      .compile();
    const app = module.createNestApplication(platform(), { logger });
    app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
    configure?.(app);
    await app.listen(0, '127.0.0.1');
    return new AdminApp(app, logger, assertNothingLeft);
  }

  static async closeAll(): Promise<void> {
    for (const running of AdminApp.#running) await running.#close();
  }

  get port(): number {
    return (this.app.getHttpServer().address() as AddressInfo).port;
  }

  /** The lines of the audit trail. */
  get audit(): string[] {
    const context = / HeartbeatAudit$/;
    return this.logger.lines.filter(({ text }) => context.test(text)).map(({ text }) => text.replace(context, ''));
  }

  async open(path = '/ws', options: Partial<RawClientOptions> = {}): Promise<RawClient> {
    const client = await RawClient.opened({ port: this.port, path, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Asks a route below `/admin`, as an operator unless another token is given; null sends none. */
  ask(path: string, token: string | null = 'do', more: Partial<Question> = {}): Promise<Answer> {
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
    return ask({ port: this.port, path: `/admin/${path}`, headers, ...more });
  }

  /** The answer to `GET connections`. */
  async list(query = ''): Promise<{ items: ConnectionView[]; nextCursor: string | null; total: number }> {
    return (await this.ask(`connections?${query}`)).json;
  }

  /** The id of the only connection, or of the first. */
  async firstId(): Promise<string> {
    const [item] = (await this.list('limit=1')).items;
    if (item === undefined) throw new Error('there is no connection');
    return item.id;
  }

  kick(id: string, query = '', token = 'do'): Promise<Answer> {
    return this.ask(`connections/${id}?${query}`, token, { method: 'DELETE' });
  }

  async #close(): Promise<void> {
    AdminApp.#running.delete(this);
    for (const client of this.#clients) client.destroy();
    await this.app.close();
    await this.assertNothingLeft();
  }
}
