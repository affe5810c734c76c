/**
 * An application that can be asked what it holds. Run it with `--expose-gc`:
 *
 *   GET /counts           the events since the start, the content of the registry, timers and listeners of the process
 *   GET /heap?file=<path> the same after the garbage was collected, and a heap snapshot in that file
 *
 * The library's options come as JSON in OPTIONS. Clients choose how they end by the event that they send.
 */
import 'reflect-metadata';

import { Controller, Get, Module, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  Connection,
  ConnectionService,
  CurrentConnection,
  HeartbeatEvents,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { writeHeapSnapshot } from 'node:v8';
import { interval, map, type Observable } from 'rxjs';
import { NO_LOAD } from '../support/servers/no-load.js';

/** The state of the application. Counts are by name. */
export interface ConnectionsApp {
  /** Connections in the books. */
  readonly connections: number;
  /** Of the addresses and users that ever came, those that the indexes still know. */
  readonly indexed: readonly string[];
  readonly opened: number;
  /** By the reason of the refusal. */
  readonly refused: Readonly<Record<string, number>>;
  /** By `<code> <who>`. */
  readonly closed: Readonly<Record<string, number>>;
  readonly disposed: number;
  readonly disconnects: number;
  /** Resources that keep the event loop alive, by Node's names. */
  readonly resources: Readonly<Record<string, number>>;
  /** Of the process, by event. */
  readonly listeners: Readonly<Record<string, number>>;
  readonly heapBytes: number;
}

const seen = { ips: new Set<string>(), users: new Set<string>() };
const counts = { opened: 0, disposed: 0, disconnects: 0 };
const refused: Record<string, number> = {};
const closed: Record<string, number> = {};

function count(into: Record<string, number>, name: string): void {
  into[name] = (into[name] ?? 0) + 1;
}

@WebSocketGateway({ path: '/ws' })
class ChurnGateway {
  constructor(private readonly connections: ConnectionService) {}

  // With both hooks Nest keeps the last client that came and the last that went (`distinctUntilChanged`), for ever.
  handleConnection(): void {}

  handleDisconnect(): void {
    counts.disconnects += 1;
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): object {
    return { event: 'echo', data };
  }

  @SubscribeMessage('identify')
  identify(@CurrentConnection() connection: Connection, @MessageBody() userId: string): object {
    seen.users.add(userId);
    connection.identify({ userId, labels: { kind: 'churn' } });
    connection.defer(() => (counts.disposed += 1));
    return { event: 'identified' };
  }

  /** A stream that never completes. */
  @SubscribeMessage('stream')
  stream(): Observable<object> {
    return interval(200).pipe(map(data => ({ event: 'stream', data })));
  }

  /** A handler that lasts as long as its connection. */
  @SubscribeMessage('wait')
  async wait(@CurrentConnection() connection: Connection): Promise<object> {
    await once(connection.signal, 'abort');
    return { event: 'too late' };
  }

  @SubscribeMessage('close me')
  close(@CurrentConnection() connection: Connection): void {
    connection.close(1000, 'as you like');
  }

  @SubscribeMessage('kick me')
  kick(@CurrentConnection() connection: Connection): void {
    this.connections.kick(connection.id);
  }
}

@Controller()
class ConnectionsController {
  constructor(private readonly connections: ConnectionService) {}

  @Get('counts')
  counts(): ConnectionsApp {
    const resources: Record<string, number> = {};
    for (const name of process.getActiveResourcesInfo()) count(resources, name);
    const listeners = Object.fromEntries(process.eventNames().map(name => [String(name), process.listenerCount(name)]));
    return {
      ...counts,
      connections: this.connections.count,
      indexed: [
        ...[...seen.ips].filter(ip => this.connections.findByIp(ip).length > 0),
        ...[...seen.users].filter(user => this.connections.findByUser(user).length > 0),
      ],
      refused,
      closed,
      resources,
      listeners,
      heapBytes: process.memoryUsage().heapUsed,
    };
  }

  @Get('heap')
  async heap(@Query('file') file: string): Promise<ConnectionsApp> {
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc?.();
      await turn();
    }
    const state = this.counts();
    writeHeapSnapshot(file);
    return state;
  }
}

@Module({
  imports: [
    HeartbeatModule.forRoot({ load: NO_LOAD, ...(JSON.parse(process.env['OPTIONS'] ?? '{}') as HeartbeatOptions) }),
  ],
  controllers: [ConnectionsController],
  providers: [ChurnGateway],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { abortOnError: false, logger: ['warn', 'error'] });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
app.get(HeartbeatEvents).stream.subscribe(event => {
  if (event.type === 'refused') count(refused, event.reason);
  if (event.type === 'closed') count(closed, `${event.code} ${event.by}`);
  if (event.type !== 'opened') return;
  counts.opened += 1;
  seen.ips.add(event.ip);
});
await app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1');
console.log(`listening at ${await app.getUrl()}`);
