// Measures: deadlines after stalls.
/**
 * The effect of a stalled server on clients. The clients live in their own process, so that a stall of the server does not stall them.
 */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { performance } from 'node:perf_hooks';
import type { Clock } from 'nestjs-heartbeat/tooling';
import { beat, boundOf, TestApp } from '../support/servers/app.js';
import { Clients } from '../support/clients/clients.js';
import { DelayingProxy } from '../support/faults/delaying-proxy.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { passed, until, watchMachine } from '../support/assert/until.js';

/** One way of a line whose round trip is 150 ms. */
const SLOW_LINE_MS = 75;

@WebSocketGateway({ path: '/ws' })
class BlockingGateway {
  notes = 0;

  @SubscribeMessage('note')
  note(): void {
    this.notes++;
  }

  @SubscribeMessage('block')
  block(_client: unknown, ms: number) {
    block(ms);
    return { event: 'blocked' };
  }
}

afterEach(async () => {
  // First: an app that leaves something behind fails, and no other code would end these.
  await Clients.stopAll();
  await ServerProcess.stopAll();
  await TestApp.closeAll();
});

/** Does nothing, and lets nothing be done in this process. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** How many of these moments, the last of which is now, are no older than that. */
function pingedWithin(moments: readonly number[], ms: number): number {
  return moments.filter(moment => moment >= moments.at(-1)! - ms).length;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** The codes of the closed connections. */
function closedCodes(app: TestApp): number[] {
  return app.connections.closedHistory().map(({ code }) => code);
}

/** The library as a process of its own, as it is in the sources. */
async function startServer(options: object): Promise<ServerProcess> {
  return ServerProcess.start({
    entry: 'test/e2e/echo-server.ts',
    nodeArgs: ['--import', './test/support/run-typescript.mjs'],
    env: { OPTIONS: JSON.stringify(options) },
  });
}

/** Clients behind a slow line. */
async function openBehindProxy(app: TestApp, count: number): Promise<RawClient[]> {
  const proxy = await DelayingProxy.start({ targetPort: app.port, delayMs: SLOW_LINE_MS });
  app.onClose(() => proxy.close());
  return Promise.all(range(0, count).map(() => app.opened({ port: proxy.port })));
}

describe('A handler that blocks the event loop', () => {
  // A single ping decides: one that a careless server took for unanswered would cost its client.
  const BEAT = beat(1000, 800, 1);
  const BLOCK_MS = 2.5 * BEAT.intervalMs;

  it('right after a tick’s pings costs none of 200 clients behind a slow line, and 10 dead ones are found in time', async () => {
    const app = await TestApp.start({ gateways: [BlockingGateway], options: { heartbeat: BEAT } });
    const clients = new Clients();
    await clients.open({ port: app.port, count: 210, delayMs: SLOW_LINE_MS });
    const caller = await app.opened();
    await clients.blackHole(range(200, 210));
    const machineMs = watchMachine();
    const deafSince = performance.now();
    // Connections with bytes at the same time are due for a ping at the same time, an interval later. Input in between is read at once.
    await clients.send({ text: '{"event":"note"}', indices: range(0, 200) });
    block(BEAT.intervalMs);
    const pingedAt: number[] = [];
    const closedAt: number[] = [];
    let asked = false;
    const events = app.events.stream.subscribe(({ type }) => {
      if (type === 'closed') closedAt.push(performance.now());
      if (type === 'ping') pingedAt.push(performance.now());
      // So many pings are on the slow line that none of them can have been answered.
      if (asked || pingedWithin(pingedAt, SLOW_LINE_MS) < 100) return;
      asked = true;
      caller.sendEvent('block', BLOCK_MS);
    });
    app.onClose(() => events.unsubscribe());
    await until(() => caller.messages.length > 0, { timeoutMs: 10_000 });
    expect(caller.json).toEqual([{ event: 'blocked' }]);
    await until(() => closedAt.length === 10, { timeoutMs: boundOf(BEAT) });
    expect(closedAt.at(-1)! - deafSince - BEAT.intervalMs - BLOCK_MS).toBeLessThanOrEqual(boundOf(BEAT) + machineMs());
    await passed(2 * BEAT.intervalMs);
    expect(closedCodes(app)).toEqual(Array(10).fill(4000));
    expect((await clients.ended()).filter(({ index }) => index < 200)).toEqual([]);
    expect(app.connections.count).toBe(201);
  });

  it('is followed by a read of the kernel’s buffers before any connection is judged', async () => {
    const app = await TestApp.start({ gateways: [BlockingGateway], options: { heartbeat: BEAT } });
    const client = await app.opened({ autoPong: false });
    await until(() => client.pings.length === 1);
    // Not overdue yet, but so late that the tick after the block makes it so.
    await until(() => performance.now() - client.pings[0]!.at > BEAT.pongTimeoutMs - 35);
    client.pong(client.pings[0]!.data);
    block(BLOCK_MS);
    await until(() => client.pings.length === 2);
    expect(closedCodes(app)).toEqual([]);
  });
});

describe('A server that is stopped', () => {
  it('for three times the bound loses no client that answers, and finds those that fell silent meanwhile', async () => {
    const heartbeat = beat(500, 200);
    const boundMs = boundOf(heartbeat);
    const server = await startServer({ heartbeat });
    const clients = await Promise.all(range(0, 50).map(() => RawClient.opened({ port: server.port })));
    const ended = new Set<number>();
    clients.forEach((client, index) => void client.ended.then(() => ended.add(index)));
    await until(() => clients.every(({ pings }) => pings.length >= 1));
    server.signal('SIGSTOP');
    clients[0]!.silent();
    await passed(3 * boundMs);
    server.signal('SIGCONT');
    const machineMs = watchMachine();
    const continuedAt = performance.now();
    await until(() => ended.size > 0, { timeoutMs: 2 * boundMs });
    expect(performance.now() - continuedAt).toBeLessThanOrEqual(boundMs + machineMs());
    await passed(2 * heartbeat.intervalMs);
    expect([...ended]).toEqual([0]);
    clients[1]!.sendEvent('closed');
    await until(() => clients[1]!.messages.length === 1);
    expect(clients[1]!.json).toEqual([{ event: 'closed', data: [4000] }]);
    for (const client of clients) client.destroy();
  });

  it('together with its clients and the line, as a machine that is suspended, loses no client', async () => {
    // A single ping decides here: one that was in flight when everything stopped is answered only after everything continues.
    const heartbeat = beat(1000, 800, 1);
    const server = await startServer({ heartbeat });
    const clients = new Clients();
    await clients.open({ port: server.port, count: 100, delayMs: SLOW_LINE_MS });
    for (let times = 1; times <= 2; times++) {
      await passed(heartbeat.intervalMs);
      server.signal('SIGSTOP');
      process.kill(clients.pid, 'SIGSTOP');
      await passed(boundOf(heartbeat));
      process.kill(clients.pid, 'SIGCONT');
      server.signal('SIGCONT');
    }
    await passed(3 * heartbeat.intervalMs);
    expect(await clients.ended()).toEqual([]);
  });
});

describe('A clock that jumps', () => {
  const HOUR_MS = 3_600_000;
  // A single ping decides, and 150 of its 400 ms are on the way.
  const BEAT = beat(600, 400, 1);

  /** The monotonic clock, with jumps. */
  class JumpingClock implements Clock {
    #offset = 10 * HOUR_MS;

    now(): number {
      return performance.now() + this.#offset;
    }

    wallTime(moment: number): Date {
      return new Date(performance.timeOrigin + moment - this.#offset);
    }

    jump(ms: number): void {
      this.#offset += ms;
    }
  }

  it('forward and back while pings are under way, the monotonic one, loses no client and hides no silence', async () => {
    const clock = new JumpingClock();
    const app = await TestApp.start({ gateways: [BlockingGateway], options: { heartbeat: BEAT }, clock });
    const clients = await openBehindProxy(app, 50);
    for (const jump of [HOUR_MS, -2 * HOUR_MS, HOUR_MS, 3 * HOUR_MS, -2 * HOUR_MS]) {
      const next = new Promise<void>(resolve => {
        const subscription = app.events.stream.subscribe(({ type }) => {
          if (type !== 'ping') return;
          subscription.unsubscribe();
          clock.jump(jump);
          resolve();
        });
      });
      await next;
      await passed(BEAT.intervalMs);
    }
    expect(closedCodes(app)).toEqual([]);
    await findsSilent(app, clients[7]!);
  });

  it('on the wall changes nothing', async () => {
    const app = await TestApp.start({ gateways: [BlockingGateway], options: { heartbeat: BEAT } });
    const clients = await openBehindProxy(app, 50);
    const real = Date.now.bind(Date);
    const wall = jest.spyOn(Date, 'now');
    app.onClose(() => wall.mockRestore());
    for (const jump of [24 * HOUR_MS, -24 * HOUR_MS]) {
      wall.mockImplementation(() => real() + jump);
      await passed(2 * BEAT.intervalMs);
    }
    expect(closedCodes(app)).toEqual([]);
    await findsSilent(app, clients[7]!);
  });

  async function findsSilent(app: TestApp, client: RawClient): Promise<void> {
    const before = app.connections.count;
    client.silent();
    const machineMs = watchMachine();
    const silentSince = performance.now();
    await until(() => app.connections.count < before, { timeoutMs: 2 * boundOf(BEAT) });
    expect(performance.now() - silentSince).toBeLessThanOrEqual(boundOf(BEAT) + 2 * SLOW_LINE_MS + machineMs());
    expect(app.connections.count).toBe(before - 1);
    expect(closedCodes(app)).toEqual([4000]);
  }
});
