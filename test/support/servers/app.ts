import type { INestApplication, LoggerService, ModuleMetadata, Provider, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionService,
  type EventPayload,
  HeartbeatEvents,
  type HeartbeatExtras,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
  type MessageParser,
} from 'nestjs-heartbeat';
import { type Clock, HEARTBEAT_CLOCK } from 'nestjs-heartbeat/tooling';
import { watchLeaks } from '../assert/leaks.js';
import { RawClient, type RawClientOptions } from '../clients/raw-client.js';
import { unstamped } from '../assert/unstamped.js';
import { NO_LOAD } from './no-load.js';

export { freePort } from './free-port.js';

/** How a {@link TestApp} is made. */
export interface TestAppOptions {
  readonly gateways?: readonly Type<unknown>[];
  readonly providers?: readonly Provider[];
  readonly controllers?: ModuleMetadata['controllers'];
  readonly imports?: ModuleMetadata['imports'];
  readonly options?: HeartbeatOptions & HeartbeatExtras;
  /** In the place of the system's clock. */
  readonly clock?: Clock;
  readonly messageParser?: MessageParser;
  /** Called before the app listens: for global pipes and the like. */
  readonly configure?: (app: INestApplication, adapter: HeartbeatWsAdapter) => unknown;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

/** One line that the app has logged. */
export interface LogLine {
  readonly level: 'log' | 'error' | 'warn' | 'debug' | 'verbose' | 'fatal';
  /** Message, stack and context in one text. */
  readonly text: string;
}

/** Keeps what is logged instead of printing it. */
export class CapturingLogger implements LoggerService {
  readonly lines: LogLine[] = [];

  log(...words: unknown[]): void {
    this.#add('log', words);
  }
  error(...words: unknown[]): void {
    this.#add('error', words);
  }
  warn(...words: unknown[]): void {
    this.#add('warn', words);
  }
  debug(...words: unknown[]): void {
    this.#add('debug', words);
  }
  verbose(...words: unknown[]): void {
    this.#add('verbose', words);
  }
  fatal(...words: unknown[]): void {
    this.#add('fatal', words);
  }

  #add(level: LogLine['level'], words: readonly unknown[]): void {
    this.lines.push({ level, text: words.map(show).join(' ') });
  }
}

/** Liveness options that are quick enough for a test, at a fixed interval: `missedPongs` is 2 unless given. */
export function beat(intervalMs: number, pongTimeoutMs: number, missedPongs = 2) {
  return { intervalMs, minIntervalMs: intervalMs, maxIntervalMs: intervalMs, pongTimeoutMs, missedPongs } as const;
}

/** The time within which a silent peer is destroyed: docs/guarantees.md, Liveness. */
export function boundOf(heartbeat: { intervalMs: number; pongTimeoutMs: number; missedPongs: number }): number {
  return heartbeat.intervalMs + heartbeat.missedPongs * heartbeat.pongTimeoutMs + 1000;
}

/** Longer than the drain's deadline that apps get here. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * A Nest app with HeartbeatModule and HeartbeatWsAdapter in this process, on a free port. {@link close} ends its clients and
 * itself, and fails when anything is left; call {@link TestApp.closeAll} in an `afterEach`.
 */
export class TestApp {
  static readonly #running = new Set<TestApp>();
  readonly #clients: RawClient[] = [];
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(
    readonly app: INestApplication,
    readonly adapter: HeartbeatWsAdapter,
    readonly lines: readonly LogLine[],
    private readonly assertNothingLeft: () => Promise<void>,
  ) {}

  static async start(given: TestAppOptions = {}): Promise<TestApp> {
    const started = await TestApp.prepare(given);
    try {
      await started.app.listen(0, given.host ?? '127.0.0.1');
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  /** As {@link start}, but before `app.listen()`. */
  static async prepare({
    gateways = [],
    providers = [],
    controllers = [],
    imports = [],
    options = {},
    ...rest
  }: TestAppOptions = {}): Promise<TestApp> {
    const assertNothingLeft = watchLeaks();
    const logger = new CapturingLogger();
    // A test's clients are destroyed before its app closes; should one be left, it must not hold up the end.
    const drain = { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000, ...options.drain };
    const builder = Test.createTestingModule({
      imports: [HeartbeatModule.forRoot({ load: NO_LOAD, ...options, drain }), ...imports],
      providers: [...gateways, ...providers],
      controllers,
    }).setLogger(logger);
    if (rest.clock) builder.overrideProvider(HEARTBEAT_CLOCK).useValue(rest.clock);
    const app = (await builder.compile()).createNestApplication({ logger });
    const { messageParser } = rest;
    const adapter = new HeartbeatWsAdapter(app, messageParser ? { messageParser } : {});
    app.useWebSocketAdapter(adapter);
    await rest.configure?.(app, adapter);
    const prepared = new TestApp(app, adapter, logger.lines, assertNothingLeft);
    TestApp.#running.add(prepared);
    return prepared;
  }

  static async closeAll(): Promise<void> {
    for (const running of TestApp.#running) await running.close();
  }

  get port(): number {
    return (this.app.getHttpServer().address() as AddressInfo).port;
  }

  get connections(): ConnectionService {
    return this.app.get(ConnectionService);
  }

  get events(): HeartbeatEvents {
    return this.app.get(HeartbeatEvents);
  }

  /** All events from now on; the list grows. */
  recordEvents(): EventPayload[] {
    const seen: EventPayload[] = [];
    const subscription = this.events.stream.subscribe(event => seen.push(unstamped(event)));
    this.onClose(() => subscription.unsubscribe());
    return seen;
  }

  /** The texts of what was logged at `level`. */
  logged(level: LogLine['level']): string[] {
    return this.lines.filter(line => line.level === level).map(({ text }) => text);
  }

  /** A client that is not connected yet; destroyed when the app closes. */
  client(options: Partial<RawClientOptions> = {}): RawClient {
    const client = new RawClient({ ...options, port: options.port ?? this.port });
    this.#clients.push(client);
    return client;
  }

  /** A client whose upgrade was answered 101. */
  async opened(options: Partial<RawClientOptions> = {}): Promise<RawClient> {
    const client = this.client(options);
    const { status, body } = await client.open();
    if (status !== 101) throw new Error(`the upgrade was answered ${status}: ${body}`);
    return client;
  }

  /** Runs `cleanup` before the app closes, the last one first. */
  onClose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    if (!TestApp.#running.delete(this)) return;
    for (const cleanup of this.#cleanups.splice(0).toReversed()) await cleanup();
    for (const client of this.#clients) client.destroy();
    const timer = new AbortController();
    const late = sleep(CLOSE_TIMEOUT_MS, 'late', { signal: timer.signal }).catch(() => 'in time');
    const closed = this.app.close().finally(() => timer.abort());
    // A test that ends in a timeout would hide what it had found.
    if ((await Promise.race([closed, late])) === 'late')
      throw new Error(`the app did not close in ${CLOSE_TIMEOUT_MS} ms`);
    await closed;
    await this.assertNothingLeft();
  }
}

function show(word: unknown): string {
  if (word instanceof Error) return word.stack ?? word.message;
  if (typeof word !== 'object' || word === null) return String(word);
  try {
    return JSON.stringify(word) ?? 'an object';
  } catch {
    return 'an object that JSON cannot hold';
  }
}
