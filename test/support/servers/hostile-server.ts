/**
 * A server to be attacked, as a process of its own: gateways that do what careless authors write. `OPTIONS` holds the module's
 * options as JSON, `AUTHENTICATE` names how clients are authenticated. `GET /state` returns what the process costs now.
 */
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Connection,
  ConnectionService,
  CurrentConnection,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { of } from 'rxjs';
import { counts, unspeakable, ways } from './hostile-authentication.js';
import { socketOf } from './socket-of.js';
import { NO_LOAD } from './no-load.js';

/** The part of {@link ServerState} about the process. */
export interface ServerState {
  readonly pid: number;
  readonly connections: number;
  /** Authentications that were begun, and those whose signal has fired. */
  readonly asked: number;
  readonly givenUp: number;
  readonly rssBytes: number;
  /** Handlers of `sleep` and `hang` that were begun. */
  readonly begun: number;
  /** Handlers of `fill-line` that have ended. */
  readonly filled: number;
}

/** The values that handlers throw and reject with, by name. */
const thrown: Record<string, () => unknown> = {
  error: () => new Error('on purpose'),
  text: () => 'a text',
  nothing: () => undefined,
  null: () => null,
  number: () => 7,
  symbol: () => Symbol('on purpose'),
  unspeakable,
  hostile: () => ({
    get message() {
      throw new Error('a getter that throws');
    },
    toString() {
      throw new Error('a text that throws');
    },
  }),
};

/** The ways to send. */
const SENDERS = {
  socket: (connection: Connection, text: string) => socketOf(connection).send(text),
  connection: (connection: Connection, text: string) => void connection.send(text),
  broadcast: (_: Connection, text: string, connections: ConnectionService) => void connections.broadcast(text),
  pong: (connection: Connection, text: string) => socketOf(connection).pong(text),
};

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  constructor(private readonly connections: ConnectionService) {}

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }

  /** As a stream of one answer. */
  @SubscribeMessage('observed')
  observed(@MessageBody() data: unknown) {
    return of({ event: 'observed', data });
  }

  /** A stream whose answer JSON cannot hold. */
  @SubscribeMessage('observed-bigint')
  observedBigint() {
    return of({ event: 'observed-bigint', data: 1n });
  }

  /** Answers that JSON cannot hold. */
  @SubscribeMessage('bigint')
  bigint() {
    return { event: 'bigint', data: 1n };
  }

  @SubscribeMessage('throw')
  throws(@MessageBody() what: string): void {
    throw thrown[what]?.();
  }

  @SubscribeMessage('reject')
  async rejects(@MessageBody() what: string): Promise<void> {
    await sleep(1);
    throw thrown[what]?.();
  }

  @SubscribeMessage('disposer')
  disposer(@CurrentConnection() connection: Connection, @MessageBody() what: string): void {
    connection.defer(() => Promise.reject(thrown[what]?.()));
    connection.defer(() => {
      throw thrown[what]?.();
    });
  }

  @SubscribeMessage('sleep')
  async sleep(@MessageBody() ms: number) {
    counts.begun++;
    await sleep(ms);
    return { event: 'slept', data: ms };
  }

  /** Never ends. */
  @SubscribeMessage('hang')
  hang(): Promise<void> {
    counts.begun++;
    return new Promise(() => {});
  }

  /** Sends so many messages of so many bytes at once. */
  @SubscribeMessage('pour')
  pour(
    @CurrentConnection() connection: Connection,
    @MessageBody() { bytes, count, by = 'socket' }: { bytes: number; count: number; by?: keyof typeof SENDERS },
  ) {
    const send = SENDERS[by];
    for (let sent = 0; sent < count; sent++) send(connection, 'x'.repeat(bytes), this.connections);
  }

  /** Sends messages of so many bytes, all in one turn, until `waiting` bytes of them are this process's to keep. */
  @SubscribeMessage('fill')
  fill(
    @CurrentConnection() connection: Connection,
    @MessageBody() { bytes, waiting }: { bytes: number; waiting: number },
  ) {
    const socket = socketOf(connection);
    while (socket.bufferedAmount < waiting) socket.send(Buffer.alloc(bytes, 'x'));
  }

  /** The same over many turns, until the kernel takes nothing more for ten of them. */
  @SubscribeMessage('fill-line')
  async fillLine(
    @CurrentConnection() connection: Connection,
    @MessageBody() { bytes, waiting }: { bytes: number; waiting: number },
  ) {
    const socket = socketOf(connection);
    for (let full = 0; full < 10; full++) {
      for (; socket.bufferedAmount < waiting; full = 0) socket.send(Buffer.alloc(bytes, 'x'));
      await sleep(1);
    }
    counts.filled++;
  }

  /** Sends texts to all, one in each turn. */
  @SubscribeMessage('pour-all')
  async pourAll(@MessageBody() { bytes, count }: { bytes: number; count: number }) {
    for (let sent = 0; sent < count; sent++) {
      this.connections.broadcast('x'.repeat(bytes));
      await sleep(5);
    }
    return { event: 'poured' };
  }

  /** Holds the event loop again and again, with a turn between. */
  @SubscribeMessage('block')
  async block(@MessageBody() { forMs, eachMs }: { forMs: number; eachMs: number }) {
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      const endOfOne = performance.now() + eachMs;
      while (performance.now() < endOfOne);
      await sleep(1);
    }
    return { event: 'blocked' };
  }
}

/** Compresses, as an author who has heard that it saves bytes lets it. */
@WebSocketGateway({ path: '/deflate', perMessageDeflate: true })
class DeflateGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}

/** A gateway whose hooks fail. */
@WebSocketGateway({ path: '/broken' })
class BrokenGateway {
  async handleConnection(): Promise<void> {
    await sleep(1);
    throw unspeakable();
  }

  handleDisconnect(): void {
    throw unspeakable();
  }
}

@Controller('state')
class StateController {
  constructor(private readonly connections: ConnectionService) {}

  @Get()
  state(): ServerState {
    return {
      pid: process.pid,
      connections: this.connections.count,
      ...counts,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  /** How connections have closed, oldest first. */
  @Get('closed')
  closed(): string[] {
    return this.connections
      .closedHistory()
      .map(({ code, reason }) => `${code} ${reason}`)
      .toReversed();
  }
}

const { OPTIONS = '{}', AUTHENTICATE = '' } = process.env;
const options = JSON.parse(OPTIONS) as HeartbeatOptions;
const authenticate = ways[AUTHENTICATE];

@Module({
  imports: [HeartbeatModule.forRoot({ load: NO_LOAD, ...options, ...(authenticate && { authenticate }) })],
  controllers: [StateController],
  providers: [EchoGateway, DeflateGateway, BrokenGateway],
})
class ServerModule {}

const app = await NestFactory.create(ServerModule, { logger: ['fatal', 'warn'], abortOnError: false });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
await app.listen(0, '127.0.0.1');
process.stdout.write(`listening at ${(await app.getUrl()).replace('[::1]', '127.0.0.1')}\n`);
