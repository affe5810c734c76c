/** A promise that the library hands to the application may be left alone: what it rejects with must not end the process. */
import { Readable } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway } from '@nestjs/websockets';
import * as library from 'nestjs-heartbeat';
import { ClusterService, type Connection, DrainService } from 'nestjs-heartbeat';
import { MetricsService } from '../../libs/heartbeat/src/metrics/metrics.service.js';
import { ReaperService } from '../../libs/heartbeat/src/liveness/reaper.service.js';

import { TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class QuietGateway {}

/** Methods that Nest calls and awaits. */
const OF_NEST =
  /^(onModuleInit|onModuleDestroy|onApplicationBootstrap|onApplicationShutdown|beforeApplicationShutdown)$/;
/** Classes that Nest alone calls. */
const CALLED_BY_NEST = new Set(['HeartbeatWsAdapter', 'HeartbeatModule']);

const loop: { self?: unknown } = {};
loop.self = loop;

interface Given {
  readonly app: TestApp;
  readonly connection: Connection;
  readonly client: RawClient;
}

function never(): Readable {
  return new Readable({ read: () => undefined });
}

function destroyed(error?: Error): Readable {
  const source = never();
  source.once('error', () => undefined);
  return source.destroy(error);
}

describe('A promise of the library', () => {
  let given: Given;
  let unhandled: unknown[];
  const onUnhandled = (error: unknown) => void unhandled.push(error);

  beforeEach(async () => {
    unhandled = [];
    process.on('unhandledRejection', onUnhandled).on('uncaughtException', onUnhandled);
    const app = await TestApp.start({ gateways: [QuietGateway] });
    const client = await app.opened();
    given = { app, client, connection: [...app.connections.all()][0]! };
  });
  afterEach(async () => {
    process.off('unhandledRejection', onUnhandled).off('uncaughtException', onUnhandled);
    await TestApp.closeAll();
  });

  const leave = async ({ client, app }: Given) => {
    client.destroy();
    await until(() => app.connections.count === 0);
  };

  it.each<[string, (all: Given) => Promise<unknown>]>([
    ['send, what JSON cannot hold', async ({ connection }) => connection.send(loop)],
    ['send, after the end', async all => (await leave(all), all.connection.send('late'))],
    ['send, while the server closes', async ({ connection }) => (connection.close(), connection.send('late'))],
    ['send by id, what JSON cannot hold', async ({ app, connection }) => app.connections.send(connection.id, loop)],
    ['stream, whose source fails', async ({ connection }) => connection.stream(Readable.from(failing()))],
    ['stream, whose source is destroyed', async ({ connection }) => connection.stream(destroyed())],
    ['stream, whose source had failed', async ({ connection }) => connection.stream(destroyed(new Error('before')))],
    [
      'stream, whose source fails while it is destroyed',
      async all => {
        const source = new Readable({ read: () => undefined, destroy: (_error, done) => done(new Error('late')) });
        const streamed = all.connection.stream(source);
        await leave(all);
        return streamed;
      },
    ],
    [
      'stream, of objects that JSON cannot hold',
      async ({ connection }) => connection.stream(Readable.from([{ a: 1 }, loop])),
    ],
    [
      'stream, whose client leaves',
      async all => {
        const streamed = all.connection.stream(never());
        await leave(all);
        return streamed;
      },
    ],
    ['stream, after the end', async all => (await leave(all), all.connection.stream(Readable.from(['a'])))],
    ['stream, of what is no stream', async ({ connection }) => connection.stream({} as Readable)],
    ['listInSlices, with a bad limit', async ({ app }) => app.connections.listInSlices({ limit: 0 })],
    ['list, with a bad limit', async ({ app }) => app.app.get(ClusterService).list({ limit: -1 })],
    ['kickAll, without a condition', async ({ app }) => app.app.get(ClusterService).kickAll({})],
  ])('rejects, and ends nothing else: %s', async (_what, call) => {
    await expect(call(given)).rejects.toBeDefined();
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });

  it.each<[string, (all: Given) => Promise<unknown>]>([
    ['Connection.send', ({ connection }) => connection.send(loop)],
    ['Connection.stream', ({ connection }) => connection.stream(Readable.from(failing()))],
    ['Connection.stream of a destroyed source', ({ connection }) => connection.stream(destroyed(new Error('before')))],
    ['ConnectionService.send', ({ app, connection }) => app.connections.send(connection.id, loop)],
    ['ConnectionService.listInSlices', ({ app }) => app.connections.listInSlices({ limit: 0 })],
    ['ClusterService.list', ({ app }) => app.app.get(ClusterService).list({ limit: 501 })],
    ['ClusterService.kickAll', ({ app }) => app.app.get(ClusterService).kickAll({})],
  ])('rejects for an application that awaits it, and for none that does not: %s', async (_what, call) => {
    void call(given);
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve));
    expect(unhandled).toEqual([]);
    await expect(call(given)).rejects.toBeDefined();
  });

  it('is handled wherever an exported class has one', () => {
    const bare = Object.entries(library).flatMap(([name, exported]) => {
      if (typeof exported !== 'function' || CALLED_BY_NEST.has(name)) return [];
      const members = Object.entries(
        Object.getOwnPropertyDescriptors((exported as { prototype?: object }).prototype ?? {}),
      );
      return members
        .filter(([method, { value }]) => !OF_NEST.test(method) && /^async\b/.test(String(value)))
        .map(([method]) => `${name}.${method}`);
    });
    expect(bare).toEqual([]);
  });

  it('of those that cannot fail here resolves as ever', async () => {
    const { app } = given;
    expect(await app.app.get(ClusterService).nodes()).toHaveLength(1);
    expect(await app.app.get(ClusterService).get('nobody')).toBeUndefined();
    expect(await app.app.get(ClusterService).kick('nobody')).toBe('not-found');
    expect(await app.app.get(ReaperService).run()).toBe(true);
    expect((await app.app.get(MetricsService, { strict: false }).expose(undefined)).body).toContain('ws_connections 1');
    const [one, two] = [app.app.get(DrainService).start('a'), app.app.get(DrainService).start('b')];
    expect(one).toBe(two);
    expect(await one).toMatchObject({ total: 1 });
  });
});

async function* failing(): AsyncGenerator<string> {
  yield 'one';
  await Promise.resolve();
  throw new Error('the source');
}
