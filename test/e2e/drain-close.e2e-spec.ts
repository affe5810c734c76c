// Measures: how long a close takes.
/** `app.close()` without a signal, in this process: the same drain, seen from inside as well. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import { performance } from 'node:perf_hooks';
import { TestApp } from '../support/servers/app.js';
import { RawClient } from '../support/clients/raw-client.js';
import { distanceFromEven } from '../support/assert/statistics.js';
import { openNotified, type NotifiedClient } from '../support/clients/notified-client.js';
import { until, watchMachine } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): { event: string; data: unknown } {
    return { event: 'echo', data };
  }
}

afterEach(() => TestApp.closeAll());

function start(drain: HeartbeatOptions['drain']): Promise<TestApp> {
  return TestApp.start({ gateways: [EchoGateway], options: { drain } });
}

async function openClients(count: number, app: TestApp): Promise<NotifiedClient[]> {
  const clients = await openNotified(count, { port: app.port });
  app.onClose(() => clients.forEach(client => client.destroy()));
  return clients;
}

describe('app.close()', () => {
  it('is not ready at once, refuses upgrades, and closes all connections in turn', async () => {
    const app = await start({ spreadMs: 800, returnWindowMs: 4000 });
    const events = app.recordEvents();
    const clients = await openClients(100, app);
    const url = `http://127.0.0.1:${app.port}`;
    const closedAt = performance.now();
    const machineMs = watchMachine();
    const closing = app.app.close();
    expect((await fetch(`${url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect(await new RawClient({ port: app.port }).open()).toMatchObject({
      status: 503,
      headers: { 'retry-after': expect.stringMatching(/^[1-5]$/) },
      body: expect.stringContaining('draining'),
    });
    await Promise.all(clients.map(({ ended }) => ended));
    await closing;
    const advice = clients.map(client => client.advice?.retryAfterMs ?? -1);
    expect(clients.filter(({ closeFrame }) => closeFrame?.code !== 1001)).toHaveLength(0);
    // The chance that 100 random delays are farther than this from even is one in a million.
    expect(distanceFromEven(advice, 0, 4000)).toBeLessThan(0.28);
    expect(
      distanceFromEven(
        clients.map(({ notifiedAt }) => (notifiedAt ?? 0) - closedAt),
        0,
        800,
      ),
    ).toBeLessThan(0.4 + machineMs() / 800);
    const drain = events.filter(({ type }) => type.startsWith('drain-') && type !== 'drain-progress');
    expect(drain).toEqual([
      { type: 'drain-started', connections: 100, reason: expect.any(String) },
      { type: 'drain-ended', total: 100, terminated: 0, durationMs: expect.any(Number) },
    ]);
  });

  it.each([
    [1, 1000],
    [3, 1000],
    [20, 1200],
  ])('closes %d clients by default within %d ms, each with 1001 and its delay', async (count, atMostMs) => {
    const app = await start({ spreadMs: undefined, closeTimeoutMs: 2000, deadlineMs: 25_000 });
    const clients = await openClients(count, app);
    const closedAt = performance.now();
    await app.app.close();
    expect(performance.now() - closedAt).toBeLessThan(atMostMs);
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clients.map(({ closeFrame }) => closeFrame?.code)).toEqual(Array.from({ length: count }, () => 1001));
    expect(clients.every(({ advice }) => Number.isInteger(advice?.retryAfterMs))).toBe(true);
  });

  it('closes with 1012 where drain.closeCode is 1012', async () => {
    const app = await start({ spreadMs: 0, closeCode: 1012 });
    const clients = await openClients(3, app);
    await app.app.close();
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clients.map(({ closeFrame }) => closeFrame?.code)).toEqual([1012, 1012, 1012]);
    expect(clients.every(({ advice }) => Number.isInteger(advice?.retryAfterMs))).toBe(true);
  });

  it('waits for three clients that never answer until closeTimeoutMs has passed, and no longer', async () => {
    const app = await start({ spreadMs: undefined, closeTimeoutMs: 1000, deadlineMs: 25_000 });
    const clients = await openClients(3, app);
    for (const client of clients) client.silent();
    const closedAt = performance.now();
    await app.app.close();
    const took = performance.now() - closedAt;
    expect(took).toBeGreaterThan(900);
    expect(took).toBeLessThan(2500);
  });

  it('sends every answer that is still in its buffers before the Close', async () => {
    const app = await start({ spreadMs: 0, closeTimeoutMs: 2500, deadlineMs: 5000 });
    const [client] = (await openClients(1, app)) as [NotifiedClient];
    const [connection] = app.connections.all();
    client.pause();
    // More than the kernel takes: what is left waits in this process.
    let sent = 0;
    while ((connection ? socketOf(connection).bufferedAmount : 0) < 200_000) {
      client.sendEvent('echo', `${(sent += 1)} ${'x'.repeat(60_000)}`);
      await until(() => connection?.messagesOut === sent);
    }
    const closing = app.app.close();
    await until(() => connection?.state === 'closing');
    client.resume();
    expect(await client.ended).toMatchObject({ code: 1001, error: null });
    expect(client.messages).toHaveLength(sent);
    expect(client.json.map(answer => Number.parseInt((answer as { data: string }).data, 10))).toEqual(
      Array.from({ length: sent }, (_, i) => i + 1),
    );
    await closing;
  });

  it('destroys a client that reads nothing after closeTimeoutMs, and ends', async () => {
    const app = await start({ spreadMs: 0, closeTimeoutMs: 300, deadlineMs: 5000 });
    const events = app.recordEvents();
    const clients = await openClients(20, app);
    for (const client of clients) client.pause();
    const closedAt = performance.now();
    await app.app.close();
    expect(performance.now() - closedAt).toBeGreaterThanOrEqual(300 - 20);
    expect(performance.now() - closedAt).toBeLessThan(300 + 1000);
    const ends = events.filter(event => event.type === 'closed');
    expect(ends).toHaveLength(20);
    // The begun close is recorded.
    for (const end of ends) expect(end).toMatchObject({ code: 1001, by: 'server' });
  });

  it('of an app without connections returns at once', async () => {
    const app = await start({ readinessDelayMs: 1000, spreadMs: 1000, deadlineMs: 5000 });
    const closedAt = performance.now();
    await app.app.close();
    expect(performance.now() - closedAt).toBeLessThan(500);
  });

  it('called twice drains once, and both wait for its end', async () => {
    const app = await start({ spreadMs: 300 });
    const events = app.recordEvents();
    const clients = await openClients(10, app);
    const both = [app.app.close(), app.app.close()];
    await Promise.race(both);
    expect(clients.filter(({ closeFrame }) => closeFrame?.code !== 1001)).toHaveLength(0);
    await Promise.all(both);
    expect(events.filter(({ type }) => type === 'drain-ended')).toHaveLength(1);
  });
});
