/** A `Connection` in a gateway: its methods. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { HeartbeatError, type TrackedSocket } from 'nestjs-heartbeat';
import { MetricsService } from '../../libs/heartbeat/src/metrics/metrics.service.js';
import { beat, TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { insideOf } from '../support/servers/socket-of.js';
import { startWithClient } from './connected-client.js';

afterEach(() => TestApp.closeAll());

/** Sends more than the kernel takes to a client that does not read. */
async function stuff(client: RawClient, socket: TrackedSocket): Promise<void> {
  client.pause();
  await until(() => {
    socket.send(Buffer.alloc(64 * 1024));
    return socket.bufferedAmount > 256 * 1024;
  });
}

describe('A Connection', () => {
  it('is what @CurrentConnection() gives, and what the service finds', async () => {
    const { app, client, connection, gateway } = await startWithClient({}, { headers: { 'User-Agent': 'tester' } });
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    expect(gateway.held).toEqual([connection]);
    expect(app.connections.get(connection.id)).toBe(connection);
    expect(connection).toMatchObject({ userId: null, labels: {}, ip: '127.0.0.1', path: '/ws', userAgent: 'tester' });
    expect(app.connections.list().items).toMatchObject([
      { id: connection.id, state: 'open', messagesIn: 1, messagesOut: 1, userId: null, userAgent: 'tester' },
    ]);
    connection.identify({ userId: 'ann', labels: { room: 'blue' } });
    expect(connection).toMatchObject({ userId: 'ann', labels: { room: 'blue' } });
    expect(app.connections.findByUser('ann')).toEqual([connection]);
    expect(app.connections.findByLabel('room', 'blue')).toEqual([connection]);
    expect(app.connections.findByIp('127.0.0.1')).toEqual([connection]);
    client.close(1000);
    await until(() => app.connections.count === 0);
    expect(app.connections.get(connection.id)).toBeUndefined();
    expect(app.connections.findByUser('ann')).toEqual([]);
    expect(app.connections.findByIp('127.0.0.1')).toEqual([]);
  });

  it('measures the round trip of its pings', async () => {
    const { connection } = await startWithClient({ heartbeat: beat(300, 200) });
    expect(connection.rttMs).toBeNull();
    await until(() => connection.rttMs);
    expect(connection.rttMs).toBeGreaterThan(0);
    expect(connection.rttMs).toBeLessThan(200);
  });

  it('fires its signal when it ends, with the reason, and at once for a later listener', async () => {
    const { client, connection } = await startWithClient();
    const { signal } = connection;
    expect(signal.aborted).toBe(false);
    client.close(3001, 'enough');
    await until(() => signal.aborted);
    expect(signal.reason).toBeInstanceOf(HeartbeatError);
    expect((signal.reason as Error).message).toMatch(/3001 enough/);
    expect(connection.signal.aborted).toBe(true);
  });

  it('runs its disposers once, the last one first, whatever they do, also those that come too late', async () => {
    const { app, client, connection } = await startWithClient();
    const ran: string[] = [];
    connection.defer(() => ran.push('first'));
    connection.defer(() => {
      ran.push('second');
      throw new Error('a disposer that throws');
    });
    connection.defer(async () => {
      ran.push('third');
      throw new Error('a disposer that rejects');
    });
    connection.defer(() => {
      ran.push('fourth');
      connection.defer(() => ran.push('from within'));
    });
    client.reset();
    await until(() => insideOf(connection).ended);
    expect(ran).toEqual(['fourth', 'from within', 'third', 'second', 'first']);
    connection.defer(() => ran.push('late'));
    connection.defer(() => {
      throw new Error('a late disposer that throws');
    });
    expect(ran.at(-1)).toBe('late');
    // One line a minute for each kind, and a count of all.
    const metrics = app.app.get(MetricsService, { strict: false });
    await until(async () =>
      (await metrics.expose(undefined)).body.includes('ws_application_errors_total{where="disposer"} 3'),
    );
    expect(app.logged('error')).toEqual([expect.stringContaining(connection.id)]);
    expect(ran).toHaveLength(6);
  });

  it('is removed, announced and recorded also when a disposer throws a value that cannot be printed', async () => {
    const { app, client, connection } = await startWithClient();
    const events = app.recordEvents();
    let ran = 0;
    connection.defer(() => ran++);
    connection.defer(() => {
      throw Object.create(null);
    });
    connection.defer(() => Promise.reject(Object.create(null)));
    const { signal } = connection;
    client.close(1000);
    await until(() => insideOf(connection).ended);
    expect(ran).toBe(1);
    expect(signal.aborted).toBe(true);
    expect(events.map(({ type }) => type)).toEqual(['closed']);
    expect(app.connections.closedHistory()).toHaveLength(1);
    expect(app.connections.count).toBe(0);
  });

  it('resolves a send when the bytes have left this process, not before', async () => {
    const { client, socket, connection } = await startWithClient();
    await connection.send('text');
    await connection.send({ any: 'object' });
    await connection.send(Buffer.from([1, 2]));
    await until(() => client.messages.length === 3);
    expect(client.messages.map(({ data }) => data)).toEqual(['text', '{"any":"object"}', Buffer.from([1, 2])]);
    await stuff(client, socket);
    let left = false;
    const sending = connection.send('behind the others').then(() => (left = true));
    await until(() => socket.bufferedAmount > 0);
    expect(left).toBe(false);
    client.resume();
    await sending;
    await until(() => client.texts.includes('behind the others'));
  });

  it('rejects a send when it ends first, and one that comes after the end', async () => {
    const { client, socket, connection } = await startWithClient();
    await stuff(client, socket);
    const outcome = connection.send('never read').then(
      () => 'sent',
      (error: unknown) => error,
    );
    client.reset();
    expect(await outcome).toMatchObject({ code: 'HEARTBEAT_CONNECTION_CLOSED' });
    await expect(connection.send('too late')).rejects.toMatchObject({ code: 'HEARTBEAT_CONNECTION_CLOSED' });
  });

  it('rejects a send of what JSON cannot hold, and stays', async () => {
    const { app, client, connection } = await startWithClient();
    const circle: Record<string, unknown> = {};
    circle['circle'] = circle;
    for (const data of [10n, circle]) {
      const sending = connection.send(data);
      await expect(sending).rejects.toThrow(TypeError);
    }
    client.sendEvent('echo', 1);
    await until(() => client.json.length === 1);
    expect(app.connections.count).toBe(1);
  });

  it('that is closed during a send that is not awaited ends nothing', async () => {
    const { app, client, socket, connection } = await startWithClient();
    await stuff(client, socket);
    void connection.send('forgotten');
    client.reset();
    await until(() => insideOf(connection).ended);
    const other = await app.opened();
    other.sendEvent('echo', 1);
    await until(() => other.messages.length === 1);
    expect(other.json).toEqual([{ event: 'echo', data: 1 }]);
  });

  it('closes with the code and the reason of the app, cut to what a close frame holds', async () => {
    const { app, client, connection } = await startWithClient();
    connection.close(4321, 'ä'.repeat(100));
    expect(await client.ended).toMatchObject({ code: 4321, reason: 'ä'.repeat(61), error: null });
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4321, closedBy: 'server' }]);
  });

  it.each([1004, 1005, 1006, 1015, 2999, 5000, 0, Number.NaN])('refuses to close with %p', async code => {
    const { app, connection } = await startWithClient();
    expect(() => connection.close(code)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_CLOSE' }));
    expect(app.connections.count).toBe(1);
    expect(insideOf(connection).state).toBe('open');
  });

  it('destroys a client that does not answer its close after closeTimeoutMs', async () => {
    const { app, client, connection } = await startWithClient({ drain: { closeTimeoutMs: 300 } });
    client.silent();
    connection.close(4000 + 321, 'ours');
    const begun = performance.now();
    const { at, code } = await client.ended;
    expect(code).toBe(4321);
    expect(at - begun).toBeGreaterThanOrEqual(250);
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4321, reason: 'ours', closedBy: 'server' }]);
  });
});
