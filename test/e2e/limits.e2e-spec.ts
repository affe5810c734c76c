/** Limits that change while clients come and go: each change applies from its turn on, exactly, and closes no connection. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import type { IncomingMessage } from 'node:http';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type Authentication, type HeartbeatOptions, LimitService } from 'nestjs-heartbeat';
import { ask } from '../support/clients/ask.js';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

@WebSocketGateway({
  path: '/checked',
  verifyClient: (_info: unknown, answer: (isGood: boolean) => void) => void setTimeout(() => answer(true), 5),
})
class CheckedGateway {
  @SubscribeMessage('echo')
  echo() {}
}

afterEach(() => TestApp.closeAll());

function start(options: HeartbeatOptions): Promise<TestApp> {
  return TestApp.start({ gateways: [EchoGateway, CheckedGateway], options });
}

/** The user in the query, after a few turns, so that many wait at once. */
async function byQuery({ url = '' }: IncomingMessage): Promise<Authentication> {
  await new Promise(resolve => setTimeout(resolve, 1 + (Number(/n=(\d+)/.exec(url)?.[1] ?? 0) % 7)));
  const user = new URLSearchParams(url.split('?')[1]).get('user');
  return user === null ? 'anonymous' : { userId: user };
}

describe('limits at run time', () => {
  it('are exact while they change and hundreds connect, and close no connection', async () => {
    const app = await start({ limits: { maxConnections: 60 }, authenticate: byQuery });
    const limits = app.app.get(LimitService);
    const over: string[] = [];
    const codes = new Set<number>();
    app.events.ofType('opened').subscribe(() => {
      const { maxConnections, maxPerIp, maxPerUser } = limits.limits;
      const { count } = app.connections;
      if (count > maxConnections) over.push(`${count} of ${maxConnections}`);
      const [ofIp, ofUser] = [app.connections.findByIp('127.0.0.1'), app.connections.findByUser('ann')];
      if (maxPerIp > 0 && ofIp.length > maxPerIp) over.push(`${ofIp.length} of ${maxPerIp} by address`);
      if (maxPerUser > 0 && ofUser.length > maxPerUser) over.push(`${ofUser.length} of ${maxPerUser} of a user`);
    });
    app.events.ofType('closed').subscribe(({ code }) => codes.add(code));
    const changes = [
      { maxConnections: 25 },
      { maxPerIp: 40, maxConnections: 70 },
      { maxPerUser: 20 },
      { maxConnections: 15, maxPerIp: 10 },
      { maxPerUser: 12, maxConnections: null },
      { maxPerIp: null, maxPerUser: 0 },
    ] as const;
    const end = new AbortController();
    let admitted = 0;
    const connecting = Array.from({ length: 24 }, async (_, n) => {
      for (let turn = 0; !end.signal.aborted; turn++) {
        const path = `${n % 3 === 0 ? '/checked' : '/ws'}?n=${n + turn}${n % 2 === 0 ? '&user=ann' : ''}`;
        const client = app.client({ path });
        if ((await client.open()).status !== 101) continue;
        admitted++;
        if (turn % 3 === 0) client.destroy();
      }
    });
    for (const change of [...changes, ...changes]) {
      const before = admitted;
      await limits.change(change);
      // A few are admitted, or all are refused: connections that stayed fill the node.
      const deadline = performance.now() + 60;
      await until(() => admitted > before + 10 || performance.now() > deadline);
      for (const { id } of app.connections.list({ limit: 500 }).items.slice(0, 20)) app.connections.get(id)?.close();
    }
    end.abort();
    await Promise.all(connecting);
    expect(over).toEqual([]);
    expect(admitted).toBeGreaterThan(50);
    expect([...codes].filter(code => code !== 1000 && code !== 1005 && code !== 1006)).toEqual([]);
  }, 60_000);

  it('let readiness follow at once, and end at their time', async () => {
    const app = await start({ limits: { maxConnections: 3 } });
    const limits = app.app.get(LimitService);
    const ready = async () => (await ask({ port: app.port, path: '/health/ready' })).status;
    await Promise.all([app.opened(), app.opened()]);
    expect(await ready()).toBe(200);
    await limits.change({ maxConnections: 2 }, { forMs: 300 });
    expect([await ready(), (await app.client().open()).status, app.connections.count]).toEqual([503, 503, 2]);
    const events = app.recordEvents();
    await until(() => events.some(({ type }) => type === 'limits-changed'));
    expect([await ready(), (await app.client().open()).status]).toEqual([200, 101]);
  });

  it('reach the messages of existing connections', async () => {
    const app = await start({});
    const client = await app.opened();
    for (let n = 0; n < 50; n++) client.sendEvent('echo', n);
    await until(() => client.messages.length === 50);
    await app.app.get(LimitService).change({ messagesPerSecond: 5 });
    for (let n = 0; n < 20; n++) client.sendEvent('echo', n);
    expect(await client.ended).toMatchObject({ code: 4004, reason: 'too many messages' });
    const other = await app.opened();
    await app.app.get(LimitService).change({ messagesPerSecond: null });
    for (let n = 0; n < 50; n++) other.sendEvent('echo', n);
    await until(() => other.messages.length === 50);
  });

  it('apply to upgrades without a burst above the new rate', async () => {
    const app = await start({ limits: { upgradesPerSecondPerIp: 2 } });
    const limits = app.app.get(LimitService);
    const admitted = async (count: number) =>
      (await Promise.all(Array.from({ length: count }, () => app.client().open()))).filter(
        ({ status }) => status === 101,
      ).length;
    expect(await admitted(10)).toBe(2);
    const changedAt = performance.now();
    await limits.change({ upgradesPerSecondPerIp: 20 });
    const passed = await admitted(100);
    // What the new rate has given since the change, and less than one token of before.
    expect(passed).toBeLessThanOrEqual(Math.ceil(((performance.now() - changedAt) / 1000) * 20) + 1);
    await limits.change({ upgradesPerSecondPerIp: 0 });
    expect(await admitted(30)).toBe(30);
  });
});
