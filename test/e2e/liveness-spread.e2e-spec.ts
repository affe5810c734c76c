// Runs alone: a hiccup of the machine is a heap of pings.
/** The times of the pings of thousands of clients, which live in their own process, so that a stall of the server does not stall them. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { performance } from 'node:perf_hooks';
import { beat, TestApp } from '../support/servers/app.js';
import { Clients, machineMs } from '../support/clients/clients.js';
import { passed, until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class NotingGateway {
  notes = 0;

  @SubscribeMessage('note')
  note(): void {
    this.notes++;
  }
}

afterEach(async () => {
  await Clients.stopAll();
  await TestApp.closeAll();
});

/** Does nothing, and lets nothing be done in this process. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('5,000 clients that open at once', () => {
  const CLIENTS = 5000;
  const BEAT = beat(6000, 1000);
  const BUCKETS = 20;
  /** Pings that a stall or a broadcast has heaped up are sent and answered by then; later ones are spread. */
  const SETTLED_MS = BEAT.pongTimeoutMs + 1000;

  it('are not pinged together: not at first, not later, not after a stall, not after they all answered one broadcast', async () => {
    const app = await TestApp.start({ gateways: [NotingGateway], options: { heartbeat: BEAT } });
    const clients = new Clients();
    await clients.open({ port: app.port, count: CLIENTS });
    await until(async () => (await clients.pings()).every(({ length }) => length >= 2), {
      timeoutMs: 3 * BEAT.intervalMs,
      message: 'two pings to each client',
    });
    const pings = await clients.pings();
    expectSpread(pings.map(([first]) => first!));
    expectSpread(pings.map(([, second]) => second!));

    block(BEAT.intervalMs);
    expectSpread(await pingsOfOneInterval(clients, machineMs() + SETTLED_MS));

    await clients.send({ text: '{"event":"note"}' });
    await until(() => app.app.get(NotingGateway).notes === CLIENTS);
    expectSpread(await pingsOfOneInterval(clients, machineMs() + BEAT.intervalMs + SETTLED_MS));

    expect(await clients.ended()).toEqual([]);
    expect(app.connections.count).toBe(CLIENTS);
  }, 240_000);

  async function pingsOfOneInterval(clients: Clients, from: number): Promise<number[]> {
    const to = from + BEAT.intervalMs;
    await passed(to - machineMs());
    return (await clients.pings()).flat().filter(at => at >= from && at < to);
  }

  /**
   * Lays moments into one interval of 20 buckets. Drawn at random a bucket holds 250 of 5,000, with a standard deviation of 15:
   * six of them are 1.4 × the mean. The rest of the bounds is for hiccups of the machine: one of 200 ms leaves two thirds of a
   * bucket of 300 ms empty and adds as much to the next. Pings in one heap would be 20 × the mean; pings an interval after each
   * opening would leave the buckets empty in which no client has opened.
   */
  function expectSpread(moments: readonly number[]): void {
    expect(moments.length).toBeGreaterThan(0.98 * CLIENTS);
    const histogram = Array.from({ length: BUCKETS }, () => 0);
    const widthMs = BEAT.intervalMs / BUCKETS;
    for (const moment of moments) histogram[Math.floor((moment % BEAT.intervalMs) / widthMs)]!++;
    const mean = moments.length / BUCKETS;
    const spread = Math.max(...histogram) < 2.5 * mean && histogram.filter(count => count < mean / 2).length <= 3;
    expect(spread ? 'spread' : `in heaps: ${histogram.join(' ')}`).toBe('spread');
  }
});
