/** The event stream over HTTP on both platforms: its events, filters, resumption, slow readers, and its end. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { AdminPort, BanList, HeartbeatEvents } from 'nestjs-heartbeat';
import { map, timeout } from 'rxjs';
import ts from 'typescript';

import { EventReader } from '../support/clients/event-reader.js';
import { blocksOf, read } from '../support/documents.js';
import { until, watchMachine } from '../support/assert/until.js';
import { AdminApp, type Platform, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';

afterEach(async () => {
  EventReader.closeAll();
  await AdminApp.closeAll();
});

const admin = { tokens: TOKENS } as const;
const heartbeat = { intervalMs: 200, minIntervalMs: 200, maxIntervalMs: 200, pongTimeoutMs: 100 };
const banned = (app: AdminApp, count: number) => {
  const bans = app.app.get(BanList);
  for (let i = 0; i < count; i++) bans.ban({ kind: 'user', value: `u${i}`, forMs: 60_000 });
};
const valuesOf = (reader: EventReader) => reader.of('banned').map(({ ban }) => ban.value);
const usersOf = (reader?: EventReader) =>
  reader?.events.slice(1).map(({ event, data }) => [event, data.userId ?? data.connection.userId]);
/** Publishes events of about a kilobyte each. */
const flood = (app: AdminApp, count: number) => {
  const ban = { id: 'a', kind: 'user', value: 'x'.repeat(900), reason: '', forMs: 1 } as const;
  for (let i = 0; i < count; i++) app.app.get(HeartbeatEvents).announce({ type: 'banned', ban });
};

describe.each(PLATFORMS)('the event stream on %s', (_name, platform) => {
  it('has what happens to connections, with node, number and time', async () => {
    const app = await AdminApp.start(platform);
    const reader = await EventReader.following(app);
    expect(reader.response.statusCode).toBe(200);
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    const client = await app.open('/ws?user=ada&team=red');
    const id = await app.firstId();
    await app.kick(id, 'reason=data%3A%0Aevent');
    await client.ended;
    const [closed] = await reader.some('closed');
    expect(reader.types).toEqual(['status', 'opened', 'identified', 'kicked', 'closed']);
    const node = id.slice(0, id.lastIndexOf('.'));
    expect(reader.of('opened')).toMatchObject([{ id, node, path: '/ws', ip: '127.0.0.1' }]);
    expect(closed).toMatchObject({
      code: 4500,
      by: 'operator',
      connection: { id, userId: 'ada', labels: { team: 'red' } },
    });
    expect(Date.parse(closed.at)).toBeGreaterThan(Date.now() - 60_000);
    const boot = node.slice(-8);
    expect(reader.events.slice(1).map(each => each.id)).toEqual(
      reader.events.slice(1).map(({ data }) => `${boot}:${data.seq}`),
    );
  });

  it('has heartbeats only where they are asked for', async () => {
    const app = await AdminApp.start(platform, { admin, heartbeat });
    const all = await EventReader.following(app);
    const events = app.app.get(HeartbeatEvents);
    expect([events.isWanted('opened'), events.isWanted('ping')]).toEqual([true, false]);
    const beats = await EventReader.following({ port: app.port, path: 'events?types=ping,pong' });
    await app.open();
    await beats.some('pong');
    expect(new Set(beats.types)).toEqual(new Set(['status', 'ping', 'pong']));
    expect(all.types).toEqual(['status', 'opened']);
  });

  it('filters by attributes of connections, open or closed', async () => {
    const app = await AdminApp.start(platform);
    const { port } = app;
    const of = (query: string) => EventReader.following({ port, path: `events?types=identified,closed&${query}` });
    const [ada, red, other, everywhere] = await Promise.all(
      ['user=ada', 'label.team=red', 'ip=192.0.2.0/24', 'path=/ws&transport=ws'].map(of),
    );
    const clients = [await app.open('/ws?user=ada&team=blue'), await app.open('/ws?user=eve&team=red')];
    for (const client of clients) client.destroy();
    await everywhere!.some('closed', 2);
    await until(() => ada!.types.length === 3 && red!.types.length === 3);
    expect([ada, red, other].map(usersOf)).toEqual([
      [
        ['identified', 'ada'],
        ['closed', 'ada'],
      ],
      [
        ['identified', 'eve'],
        ['closed', 'eve'],
      ],
      [],
    ]);
  });

  it('continues after the last event that was received, by header or by address, and nothing comes twice', async () => {
    const app = await AdminApp.start(platform);
    const { port } = app;
    const first = await EventReader.following(app);
    banned(app, 2);
    const [, second] = await first.some('banned', 2);
    const id = first.events.find(({ data }) => data === second)?.id ?? '';
    first.close();
    const bans = app.app.get(BanList);
    bans.ban({ kind: 'user', value: 'meanwhile', forMs: 60_000 });
    const header = await EventReader.following({ port, headers: { 'last-event-id': id } });
    await header.some('banned');
    // A page repeats its address each time; the header is newer.
    const both = await EventReader.following({
      port,
      path: `events?lastEventId=${id}`,
      headers: { 'last-event-id': header.lastId },
    });
    const address = await EventReader.following({ port, path: `events?lastEventId=${id}` });
    bans.ban({ kind: 'user', value: 'afterwards', forMs: 60_000 });
    for (const reader of [header, address]) {
      await reader.some('banned', 2);
      expect([valuesOf(reader), reader.of('gap')]).toEqual([['meanwhile', 'afterwards'], []]);
    }
    await both.some('banned');
    expect(valuesOf(both)).toEqual(['afterwards']);
  });

  it('says what is lost after a restart', async () => {
    const app = await AdminApp.start(platform);
    const reader = await EventReader.open({ port: app.port, headers: { 'last-event-id': '0123abcd:41' } });
    expect(await reader.some('gap')).toEqual([
      { type: 'gap', node: null, boot: '0123abcd', from: 42, to: null, reason: 'ended' },
    ]);
    banned(app, 1);
    await reader.some('banned');
    expect(reader.lastId).not.toContain('0123abcd');
  });

  it('refuses tokens, parameters and ids that are wrong with problem details', async () => {
    const app = await AdminApp.start(platform);
    const faults = async (path: string, headers = {}) => {
      const {
        status,
        json,
        headers: sent,
      } = await app.ask(path, 'see', {
        headers: { authorization: 'Bearer see', ...headers },
      });
      expect(sent['content-type']).toMatch(PROBLEM);
      return [status, json.errors?.map(({ pointer }: { pointer: string }) => pointer)];
    };
    expect(await faults('events?minRttMs=5')).toEqual([400, ['/minRttMs']]);
    expect(await faults('events?types=open&ip=x')).toEqual([400, ['/types', '/ip']]);
    expect(await faults('events', { 'last-event-id': '12' })).toEqual([400, ['/lastEventId']]);
    expect(await faults('events?node=none')).toEqual([404, undefined]);
    expect(await faults('events', { authorization: 'Bearer no' })).toEqual([401, undefined]);
    expect((await app.ask('events', 'see', { method: 'POST' })).status).toBe(405);
    const viewer = await EventReader.following({ port: app.port, headers: { authorization: 'Bearer see' } });
    expect(viewer.response.statusCode).toBe(200);
  });

  it('answers HEAD, takes 32 readers, and has room again when one has gone', async () => {
    const app = await AdminApp.start(platform);
    const head = await app.ask('events', 'see', { method: 'HEAD' });
    expect([head.status, head.headers['content-type'], head.text]).toEqual([200, 'text/event-stream', '']);
    const readers = await Promise.all(Array.from({ length: 32 }, () => EventReader.following(app)));
    const refusal = await app.ask('events');
    expect([refusal.status, refusal.json.type, refusal.headers['retry-after']]).toEqual([
      503,
      'urn:nestjs-heartbeat:problem:too-many-streams',
      '10',
    ]);
    readers.pop()?.close();
    await until(async () => (await app.ask('events', 'see', { method: 'HEAD' })).status === 200);
    banned(app, 1);
    await Promise.all(readers.map(reader => reader.some('banned')));
  });

  it('holds little for a reader that does not read, which later learns what it missed; other readers miss nothing', async () => {
    const sockets: Socket[] = [];
    const app = await AdminApp.start(platform, { admin }, inner => {
      (inner.getHttpServer() as Server).on('connection', (socket: Socket) => sockets.push(socket));
    });
    const slow = await EventReader.following(app);
    const quick = await EventReader.following(app);
    slow.response.pause();
    // About 20 MB: more than the buffers of the kernel and the history have together.
    for (let round = 1; round <= 20; round++) {
      flood(app, 1000);
      await quick.some('banned', round * 1000, 20_000);
      expect(Math.max(...sockets.map(({ writableLength }) => writableLength))).toBeLessThan(200_000);
    }
    expect(quick.of('gap')).toEqual([]);
    slow.response.resume();
    const last = quick.events.at(-1)?.data.seq;
    await until(() => slow.events.at(-1)?.data.seq === last, { timeoutMs: 20_000 });
    const [gap] = slow.of('gap');
    const seqs = slow.events.map(({ data }) => data.seq).filter(seq => seq !== undefined);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((one, other) => one - other));
    expect(seqs.filter(seq => seq >= gap.from && seq <= gap.to)).toEqual([]);
    expect([gap.reason, seqs.includes(gap.from - 1), seqs.includes(gap.to + 1)]).toEqual(['overwritten', true, true]);
  }, 60_000);

  it('ends with the app, after the events of the drain, and does not delay it where a reader does not read', async () => {
    const app = await AdminApp.start(platform);
    const reader = await EventReader.following(app);
    const stuck = await EventReader.following(app);
    await app.open();
    stuck.response.pause();
    for (let round = 1; round <= 12; round++) {
      flood(app, 1000);
      await reader.some('banned', round * 1000, 20_000);
    }
    const machineMs = watchMachine();
    const from = performance.now();
    const closed = once(app.app.getHttpServer() as Server, 'close');
    const all = AdminApp.closeAll();
    await closed;
    expect(performance.now() - from - machineMs()).toBeLessThan(1500);
    await reader.ended();
    stuck.close();
    await all;
    expect(reader.endedWell).toBe(true);
    expect(reader.types).toEqual(expect.arrayContaining(['drain-started', 'closed', 'drain-ended']));
    expect(reader.retries).toHaveLength(2);
    expect(reader.retries[1]).toBeGreaterThanOrEqual(1000);
  }, 60_000);

  it('goes on during a drain by hand, and after it', async () => {
    const app = await AdminApp.start(platform, { admin, drain: { spreadMs: 100, closeTimeoutMs: 100 } });
    const reader = await EventReader.following(app);
    await app.open();
    await reader.some('opened');
    const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
    expect((await app.ask('drain', 'do', { method: 'POST', headers, body: '{}' })).status).toBe(202);
    await reader.some('drain-ended');
    expect((await app.ask('drain', 'do', { method: 'DELETE' })).status).toBe(200);
    await app.open();
    await reader.some('opened', 2);
    expect(reader.types.filter(type => /^(drain-|closed|opened)/.test(type))).toEqual([
      'opened',
      'drain-started',
      'closed',
      'drain-ended',
      'drain-aborted',
      'opened',
    ]);
    expect([reader.endedWell, reader.of('gap')]).toEqual([null, []]);
  });

  it('works beside global interceptors and CORS of the application', async () => {
    const app = await AdminApp.start(platform, { admin }, inner => {
      inner.useGlobalInterceptors(new Wrapping());
      inner.enableCors({ origin: 'https://ops.example.com' });
    });
    const headers = { origin: 'https://ops.example.com', 'accept-encoding': 'gzip' };
    const reader = await EventReader.following({ port: app.port, headers });
    expect(reader.headers).toMatchObject({ 'access-control-allow-origin': 'https://ops.example.com' });
    expect(reader.headers).not.toHaveProperty('content-encoding');
    await app.open();
    await reader.some('opened');
  });
});

describe('the event stream', () => {
  it('is read by curl and by fetch', async () => {
    const [[, platform]] = PLATFORMS as [[string, Platform]];
    const app = await AdminApp.start(platform);
    const url = `http://127.0.0.1:${app.port}/admin/events?types=opened`;
    const curl = promisify(execFile)('curl', ['-sN', '-m', '2', '-H', 'Authorization: Bearer see', url]).catch(
      (error: { stdout: string }) => error,
    );
    const controller = new AbortController();
    const response = await fetch(url, { headers: { authorization: 'Bearer see' }, signal: controller.signal });
    let text = '';
    const reading = (async () => {
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) text += part;
    })().catch(() => undefined);
    await until(() => text.includes('event: status'));
    const opening = setInterval(() => void app.open(), 100);
    await until(() => text.includes('event: opened'));
    expect((await curl).stdout).toMatch(
      /^retry: \d+\n\nevent: status\nid: [0-9a-f]{8}:\d+\ndata: \{.*\}\n\nevent: opened\nid: /,
    );
    clearInterval(opening);
    controller.abort();
    await reading;
  });

  it('is served by a port of the admin API, and ends with it', async () => {
    const [[, platform]] = PLATFORMS as [[string, Platform]];
    const app = await AdminApp.start(platform, { admin, adminPort: { port: 0, host: '127.0.0.1' } });
    const port = app.app.get(AdminPort).address?.port ?? 0;
    expect((await app.ask('events')).status).toBe(404);
    const reader = await EventReader.following({ port });
    await app.open();
    await reader.some('opened');
    await AdminApp.closeAll();
    await reader.ended();
    expect([reader.endedWell, reader.retries.length, reader.of('drain-ended').length]).toEqual([true, 2, 1]);
  });

  it('is read by the reader in the documentation, which connects again and continues', async () => {
    const [[, platform]] = PLATFORMS as [[string, Platform]];
    const sockets: Socket[] = [];
    const app = await AdminApp.start(platform, { admin }, inner => {
      (inner.getHttpServer() as Server).on('connection', (socket: Socket) => sockets.push(socket));
    });
    const [code = ''] = blocksOf(read('docs/operations/events.md'), 'ts');
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
    });
    const { readEvents } = (await import(`data:text/javascript,${encodeURIComponent(outputText)}`)) as {
      readEvents: ReadEvents;
    };
    const { signal, abort } = abortion();
    const seen: { type: string; ban?: { value: string } }[] = [];
    const url = `http://127.0.0.1:${app.port}/admin/events`;
    const reading = readEvents(url, 'see', event => seen.push(event), signal);
    const values = () => seen.flatMap(({ ban }) => ban?.value ?? []);
    await until(() => seen.some(({ type }) => type === 'status'));
    const bans = app.app.get(BanList);
    bans.ban({ kind: 'user', value: 'before', forMs: 60_000 });
    await until(() => values().length === 1);
    for (const socket of sockets) socket.destroy();
    bans.ban({ kind: 'user', value: 'meanwhile', forMs: 60_000 });
    await until(() => values().length === 2, { timeoutMs: 10_000 });
    expect(values()).toEqual(['before', 'meanwhile']);
    abort();
    await reading;
    await expect(readEvents(url, 'wrong', () => undefined, abortion().signal)).rejects.toThrow('unauthenticated');
  });
});

type ReadEvents = (
  url: string,
  token: string,
  take: (event: { type: string }) => void,
  signal: AbortSignal,
) => Promise<void>;

function abortion() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** The two most frequent interceptors of applications. */
class Wrapping implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    return next.handle().pipe(
      timeout(1000),
      map((data: unknown) => ({ data })),
    );
  }
}
