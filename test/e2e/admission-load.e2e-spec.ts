// Runs alone: it measures load.
/** A busy node pings less often, refuses upgrades, closes some connections, and recovers. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { readFileSync } from 'node:fs';
import { type AddressInfo, Socket } from 'node:net';
import { type HeartbeatOptions, HeartbeatService, LoadService } from 'nestjs-heartbeat';
import type { Clock } from 'nestjs-heartbeat/tooling';
import { nextInterval } from '../../libs/heartbeat/src/liveness/adaptive-interval.js';
import { TestApp } from '../support/servers/app.js';
import { ask } from '../support/clients/ask.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { Attack } from '../support/faults/attack.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

afterEach(async () => {
  jest.restoreAllMocks();
  await Attack.raiseAll();
  await TestApp.closeAll();
});

function start(options: HeartbeatOptions = {}, clock?: Clock): Promise<TestApp> {
  return TestApp.start({ gateways: [EchoGateway], options: { load: {}, ...options }, ...(clock && { clock }) });
}

/** One reading, of an idle node by default. */
function reading(given: Partial<Parameters<LoadService['step']>[0]> = {}): Parameters<LoadService['step']>[0] {
  return { loopDelayMs: 0, loopUtilisation: 0, cpu: 0, heap: 0.1, memory: 0.1, ...given };
}

/** As many readings as it takes for the middle of the last to be this one. */
function load(app: TestApp, given: Partial<Parameters<LoadService['step']>[0]>, times = 5): void {
  for (let i = 0; i < times; i++) app.app.get(LoadService).step(reading(given));
}

/** How often the direction of change turns. */
function turns(intervals: readonly number[]): number {
  const steps = intervals.slice(1).map((value, i) => Math.sign(value - intervals[i]!));
  const moves = steps.filter(step => step !== 0);
  return moves.slice(1).filter((step, i) => step !== moves[i]).length;
}

/** The timer of the server's end of a connection (proc_net_tcp(5)): which it is, and in how many milliseconds. */
function timerOf(serverPort: number, clientPort: number): { kind: number; ms: number } {
  const wanted = new RegExp(`:${hex(serverPort)} [0-9A-F]{8}:${hex(clientPort)} 01 `);
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find(text => wanted.test(text));
  const [kind = '', when = ''] = (line?.trim().split(/\s+/)[5] ?? '').split(':');
  return { kind: Number.parseInt(kind, 16), ms: Number.parseInt(when, 16) * 10 };
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

const STALLED = { loopDelayMs: 480 } as const;
const DROWNING = { loopDelayMs: 1000 } as const;

describe('The adaptive interval', () => {
  const BOUNDS = { minIntervalMs: 15_000, maxIntervalMs: 45_000 };

  it.each([
    ['stays within ten seconds of a step', 25_000, 1, 9999, 25_000],
    ['grows by a quarter when busy', 20_000, 0.71, 10_000, 25_000],
    ['does not grow at the mark itself', 20_000, 0.7, 10_000, 20_000],
    ['shrinks by a tenth when quiet', 20_000, 0.29, 10_000, 18_000],
    ['does not shrink at the mark itself', 20_000, 0.3, 10_000, 20_000],
    ['stays between the marks', 20_000, 0.5, 1_000_000, 20_000],
    ['never goes above the highest', 44_000, 1, 10_000, 45_000],
    ['never goes below the lowest', 15_500, 0, 10_000, 15_000],
    ['stays at the highest', 45_000, 1, 10_000, 45_000],
    ['stays at the lowest', 15_000, 0, 10_000, 15_000],
  ])('%s', (_, intervalMs, ratio, sinceStepMs, expected) => {
    expect(nextInterval(intervalMs, ratio, sinceStepMs, BOUNDS)).toBe(expected);
  });

  it('is fixed where all three are alike', () => {
    for (const ratio of [0, 0.5, 1]) {
      expect(nextInterval(20_000, ratio, 60_000, { minIntervalMs: 20_000, maxIntervalMs: 20_000 })).toBe(20_000);
    }
  });

  /** Hours of a node whose load is `loadAt(seconds, interval)`; the intervals at each second. */
  function simulated(seconds: number, loadAt: (second: number, intervalMs: number) => number): number[] {
    let intervalMs = 25_000;
    let steppedAt = 0;
    return Array.from({ length: seconds }, (_, second) => {
      const next = nextInterval(intervalMs, loadAt(second, intervalMs), second * 1000 - steppedAt, BOUNDS);
      if (next !== intervalMs) steppedAt = second * 1000;
      return (intervalMs = next);
    });
  }

  it.each<[string, (second: number, intervalMs: number) => number, number]>([
    ['a load that is high', () => 0.95, 0],
    ['a load that is low', () => 0.05, 0],
    ['a load that trembles about the upper mark', second => 0.7 + (second % 2 === 0 ? 0.02 : -0.02), 0],
    ['a load that trembles about the lower mark', second => 0.3 + (second % 2 === 0 ? 0.02 : -0.02), 0],
    ['a load of which the heartbeat is a part', (_, intervalMs) => 0.3 + (0.5 * 25_000) / intervalMs, 0],
    ['a load that is all heartbeat', (_, intervalMs) => 20_000 / intervalMs, 0],
    ['a load that swings by the hour', second => 0.5 + 0.5 * Math.sin((2 * Math.PI * second) / 3600), 13],
    ['a load that swings by the minute', second => (second % 60 < 30 ? 1 : 0), 720],
  ])('keeps its bounds and does not oscillate by itself under %s', (_, loadAt, mostTurns) => {
    const intervals = simulated(6 * 3600, loadAt);
    expect(Math.min(...intervals)).toBeGreaterThanOrEqual(BOUNDS.minIntervalMs);
    expect(Math.max(...intervals)).toBeLessThanOrEqual(BOUNDS.maxIntervalMs);
    expect(turns(intervals)).toBeLessThanOrEqual(mostTurns);
  });

  /** A clock that the test advances. */
  class HandClock implements Clock {
    time = 1000;

    now(): number {
      return this.time;
    }

    wallTime(at: number): Date {
      return new Date(Date.UTC(2026, 0, 1) + at);
    }
  }

  it('of a running node grows under load, is announced to its clients, and shrinks again', async () => {
    const clock = new HandClock();
    const app = await start({}, clock);
    const heartbeat = app.app.get(HeartbeatService);
    const pass = (seconds: number) => {
      for (let i = 0; i < seconds * 20; i++) heartbeat.tick((clock.time += 50));
    };
    expect(heartbeat.intervalMs).toBe(25_000);
    load(app, { cpu: 1 });
    pass(200);
    expect(heartbeat.intervalMs).toBe(45_000);
    const client = await app.opened();
    client.sendEvent('heartbeat', { sentAt: 1 });
    await until(() => client.messages.length === 1);
    expect(client.json[0]).toMatchObject({ event: 'heartbeat', data: { sentAt: 1, intervalMs: 45_000 } });
    load(app, {});
    pass(400);
    expect(heartbeat.intervalMs).toBe(15_000);
  });

  it('stays where it is when it is not adaptive', async () => {
    const clock = new HandClock();
    const app = await start({ heartbeat: { adaptive: false } }, clock);
    const heartbeat = app.app.get(HeartbeatService);
    load(app, { cpu: 1 });
    for (let i = 0; i < 4000; i++) heartbeat.tick((clock.time += 50));
    expect(heartbeat.intervalMs).toBe(25_000);
  });
});

describe('A node that is overloaded', () => {
  it('refuses upgrades with 503, readiness has the reason, and open connections stay', async () => {
    const app = await start();
    const events = app.recordEvents();
    const client = await app.opened();
    load(app, STALLED);
    const refused = await app.client().open();
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({ type: expect.stringMatching(/overloaded$/) });
    expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    const ready = await ask({ port: app.port, path: '/health/ready' });
    expect(ready.status).toBe(503);
    expect(ready.text).toContain('overloaded');
    expect((await ask({ port: app.port, path: '/health/live' })).status).toBe(200);
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    load(app, {});
    expect((await app.client().open()).status).toBe(101);
    expect((await ask({ port: app.port, path: '/health/ready' })).status).toBe(200);
    expect(events.filter(({ type }) => type === 'load-changed')).toEqual([
      expect.objectContaining({ level: 'refusing', source: 'event-loop' }),
      expect.objectContaining({ level: 'well' }),
    ]);
  });

  it('is not one for a single long reading, nor for CPU alone', async () => {
    const app = await start();
    load(app, {});
    load(app, DROWNING, 2);
    expect((await app.client().open()).status).toBe(101);
    load(app, { cpu: 1, loopUtilisation: 1 });
    expect(app.app.get(LoadService).ratio).toBeCloseTo(0.8);
    expect((await app.client().open()).status).toBe(101);
  });

  it('does not flap between its marks', async () => {
    const app = await start();
    const events = app.recordEvents();
    load(app, { loopDelayMs: 0.91 * 500 });
    for (let i = 0; i < 20; i++) load(app, { loopDelayMs: (i % 2 === 0 ? 0.85 : 0.92) * 500 });
    expect(events.filter(({ type }) => type === 'load-changed')).toHaveLength(1);
    expect((await app.client().open()).status).toBe(503);
    load(app, { loopDelayMs: 0.75 * 500 });
    expect((await app.client().open()).status).toBe(101);
  });

  it('counts only the sources that are switched on', async () => {
    const app = await start({ load: { source: { eventLoop: false } } });
    load(app, DROWNING);
    expect((await app.client().open()).status).toBe(101);
    load(app, { heap: 0.95 });
    expect((await app.client().open()).status).toBe(503);
  });

  it('sheds the longest idle, a few at a time, each with a delay of its own, and stops when it is well', async () => {
    const app = await start({ drain: { returnWindowMs: 10_000 } });
    const clients: RawClient[] = [];
    for (let i = 0; i < 60; i++) clients.push(await app.opened());
    const openedFirst = new Set(clients.slice(0, 40));
    // The younger third has just sent a message.
    for (const client of clients.slice(40)) client.sendEvent('echo', 1);
    await until(() => clients.slice(40).every(({ messages }) => messages.length === 1));
    const closing = () => clients.filter(({ closeFrame }) => closeFrame !== null);
    load(app, DROWNING, 3);
    await until(() => closing().length > 0);
    expect([...app.connections.all()].filter(({ state }) => state !== 'closing').length).toBeGreaterThanOrEqual(40);
    load(app, DROWNING, 1);
    load(app, {}, 5);
    await until(() => [...app.connections.all()].every(({ state }) => state !== 'closing'));
    await until(() => app.connections.count === clients.length - closing().length);
    const shed = closing();
    // One in a hundred, at least one, in each step: two while it drowns, two until the middle of the readings is well again, and
    // a few that the node takes by itself meanwhile.
    expect(shed.length).toBeGreaterThanOrEqual(2);
    expect(shed.length).toBeLessThanOrEqual(7);
    expect(shed.every(client => openedFirst.has(client))).toBe(true);
    const delays = shed.map(
      ({ closeFrame }) => /^server is overloaded; retry-after=(\d+)$/.exec(closeFrame?.reason ?? '')?.[1],
    );
    expect(shed.map(({ closeFrame }) => closeFrame?.code)).toEqual(shed.map(() => 1013));
    expect(new Set(delays).size).toBeGreaterThan(1);
    expect(delays.every(delay => Number(delay) <= 10_000)).toBe(true);
    load(app, {}, 5);
    expect(closing()).toHaveLength(shed.length);
  });

  it('is found by itself when its loop is really blocked, and recovers by itself', async () => {
    const attack = await Attack.lay({ observer: false, options: { load: {} } });
    const client = await attack.opened();
    client.sendEvent('block', { forMs: 12_000, eachMs: 900 });
    await until(async () => (await attack.client().open()).status === 503, { timeoutMs: 20_000, message: 'a refusal' });
    // It may be among the closed connections, because there are so few.
    await until(() => client.texts.includes('{"event":"blocked"}') || client.closeFrame, { timeoutMs: 20_000 });
    await until(async () => (await attack.client().open()).status === 101, {
      timeoutMs: 20_000,
      message: 'the recovery',
    });
    expect(client.closeFrame === null || client.closeFrame.code === 1013).toBe(true);
  }, 240_000);
});

describe('The options of TCP', () => {
  const RETRANSMIT = 1;
  const KEEP_ALIVE = 2;

  it.each<[string, HeartbeatOptions['tcp'], number, number]>([
    ['by default after a minute', undefined, 50_000, 60_000],
    ['after what was chosen', { keepAliveDelayMs: 7000 }, 5000, 7000],
  ])('keepAlive probes %s', async (_, tcp, least, most) => {
    const app = await start(tcp === undefined ? {} : { tcp });
    const client = await app.opened();
    const { port } = app.app.getHttpServer().address() as AddressInfo;
    const timer = await until(() => {
      const found = timerOf(port, client.socket.localPort ?? 0);
      return found.kind === KEEP_ALIVE ? found : null;
    });
    expect(timer.ms).toBeGreaterThan(least);
    expect(timer.ms).toBeLessThanOrEqual(most);
  });

  it('keepAlive costs an accepted socket no system call: it is inherited', async () => {
    const set = jest.spyOn(Socket.prototype, 'setKeepAlive');
    const app = await start({});
    await app.opened();
    expect(set.mock.contexts.filter(socket => (socket as { server?: unknown }).server)).toEqual([]);
  });

  it('keepAlive false probes no connection', async () => {
    const app = await start({ tcp: { keepAlive: false } });
    const client = await app.opened();
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    const { port } = app.app.getHttpServer().address() as AddressInfo;
    await until(() => timerOf(port, client.socket.localPort ?? 0).kind !== RETRANSMIT);
    expect(timerOf(port, client.socket.localPort ?? 0).kind).toBe(0);
  });

  it.each([true, false])('noDelay %s is what the accepted socket has in the end', async noDelay => {
    const calls = new Map<number | undefined, boolean>();
    // oxlint-disable-next-line typescript/unbound-method -- it is called with its socket
    const original = Socket.prototype.setNoDelay;
    jest.spyOn(Socket.prototype, 'setNoDelay').mockImplementation(function (this: Socket, value = true) {
      calls.set(this.remotePort, value);
      return original.call(this, value);
    });
    const app = await start({ tcp: { noDelay } });
    const client = await app.opened();
    expect(calls.get(client.socket.localPort)).toBe(noDelay);
  });
});
