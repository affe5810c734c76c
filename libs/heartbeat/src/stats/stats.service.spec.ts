import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import type { Stats } from './stats.types.js';

Logger.overrideLogger(false);

let world: ClusterWorld;

beforeEach(() => {
  world = new ClusterWorld();
});
afterEach(() => world.end());

/** Lets seconds pass, in each of which every node is sampled. */
async function pass(seconds: number, nodes: readonly WorldNode[] = world.nodes): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    world.now += 1000;
    await world.renewAll();
    for (const { sampler } of nodes) await sampler.sample();
  }
}

/** The values of a series without the zeros and gaps around them. */
const core = ({ series }: Stats, name: string) => (series[name] ?? []).filter(value => value !== 0 && value !== null);
/** The last value. */
const last = ({ series }: Stats, name: string) => series[name]?.at(-1);

describe('one node', () => {
  it('reports a minute by second, and 15 minutes by five seconds', async () => {
    const one = await world.add({}, { isAlone: true });
    await pass(1000);
    const minute = await one.stats.read({ sinceMs: 60_000 });
    const all = await one.stats.read();
    expect([minute.stepMs, minute.series['opened']?.length]).toEqual([1000, 60]);
    expect([all.stepMs, all.series['opened']?.length]).toEqual([5000, 180]);
    expect(minute.from).toEqual(new Date(world.now - 60_000));
    expect([all.series, minute.series].map(({ opened }) => opened?.includes(null))).toEqual([false, false]);
    expect((await one.stats.read({ sinceMs: 10_000, stepMs: 5000 })).series['opened']).toEqual([0, 0]);
  });

  it('counts openings, closes, refusals and messages in their second, and levels', async () => {
    const one = await world.add({ heartbeat: { intervalMs: 20_000 } }, { isAlone: true });
    await pass(1);
    const first = one.open();
    one.open();
    one.events.announce({ type: 'refused', status: 403, reason: 'banned', ip: '192.0.2.1' });
    one.state.totals.messagesIn += 5;
    await pass(1);
    one.connections.kick(first.id);
    // Its socket has closed.
    await Promise.resolve();
    await pass(1);
    const { series, totals } = await one.stats.read({ sinceMs: 3000 });
    expect(series).toMatchObject({
      connections: [0, 2, 1],
      opened: [0, 2, 0],
      closed: [0, 0, 1],
      'closed.by.operator': [0, 0, 1],
      'closed.code.4500': [0, 0, 1],
      refused: [0, 1, 0],
      'refused.banned': [0, 1, 0],
      messagesIn: [0, 5, 0],
      intervalMs: [20_000, 20_000, 20_000],
    });
    expect(Object.keys(series)).not.toContain('refused.draining');
    expect(Object.keys(series)).not.toContain('closed.code.1000');
    expect(totals).toMatchObject({ connections: 1, opened: 2, closed: 1, refused: 1, messagesIn: 5, messagesOut: 0 });
  });

  it('has percentiles of the round trips of a period, and none without', async () => {
    const one = await world.add({}, { isAlone: true });
    await pass(1);
    for (let ms = 1; ms <= 100; ms++) one.state.totals.recordRoundTrip(ms);
    one.state.totals.recordLateness(40);
    await pass(1);
    const { series } = await one.stats.read({ sinceMs: 2000 });
    const [, p50 = 0] = series['rttP50Ms'] ?? [];
    const [, p99 = 0] = series['rttP99Ms'] ?? [];
    expect(p50).toBeGreaterThan(44);
    expect(p50).toBeLessThan(56);
    expect(p99).toBeGreaterThan(90);
    expect([series['rttP50Ms']?.[0], series['lagP99Ms']?.[0], series['lagMaxMs']]).toEqual([null, null, [0, 40]]);
    expect(series['lagP99Ms']?.[1]).toBeGreaterThan(31);
  });

  it('has a gap for a stall, and its events after it', async () => {
    const one = await world.add({}, { isAlone: true });
    await pass(2);
    one.open();
    world.now += 3000;
    await pass(1);
    const { series } = await one.stats.read({ sinceMs: 6000 });
    expect(series['opened']).toEqual([0, 0, null, null, null, 1]);
    expect(series['bytesIn']).toEqual([0, 0, null, null, null, 0]);
  });

  it('has gaps before its start', async () => {
    const one = await world.add({}, { isAlone: true });
    await pass(2);
    expect((await one.stats.read({ sinceMs: 4000 })).series['connections']).toEqual([null, null, 0, 0]);
  });

  it('spreads the bytes of many connections over the seconds between two readings', async () => {
    const one = await world.add({}, { isAlone: true });
    await pass(1);
    const [first] = Array.from({ length: 4001 }, () => one.open().connection);
    await pass(1);
    Object.defineProperty(first!.channel, 'bytesRead', { value: 300 });
    await pass(4);
    // Three seconds for 4,001 connections.
    const { series, totals } = await one.stats.read({ sinceMs: 4000 });
    expect([series['bytesIn'], totals.bytesIn]).toEqual([[100, 100, null, null], 300]);
  });

  it.each([
    [{ sinceMs: 0 }, /^sinceMs is 0 but must be a whole number from 1 to 900000/],
    [{ sinceMs: 900_001 }, /^sinceMs/],
    [{ stepMs: 1000 as const }, /^stepMs is 1000 but must be 5000 where sinceMs is above 60000/],
    [{ sinceMs: 1000, stepMs: 2000 as never }, /^stepMs is 2000 but must be one of 1000, 5000/],
    [{ node: 'none' }, /^node is "none" but must be the id or the name of a node/],
  ])('rejects %j', async (query, message) => {
    const one = await world.add({}, { isAlone: true });
    await expect(one.stats.read(query)).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_QUERY',
      message: expect.stringMatching(message),
    });
  });
});

describe('several nodes', () => {
  it('sums counts, and merges percentiles by all values and lag by its maximum', async () => {
    const [one, two] = [await world.add(), await world.add()];
    await pass(2);
    for (let turn = 0; turn < 99; turn++) one.state.totals.recordRoundTrip(10);
    two.state.totals.recordRoundTrip(1000);
    one.state.totals.recordLateness(5);
    two.state.totals.recordLateness(70);
    one.open();
    two.open();
    two.open();
    await pass(1);
    const both = await one.stats.read({ sinceMs: 1000 });
    expect([last(both, 'connections'), last(both, 'opened'), last(both, 'lagMaxMs')]).toEqual([3, 3, 70]);
    expect(last(both, 'rttP90Ms')).toBeLessThan(13);
    expect(both.totals).toMatchObject({ connections: 3, opened: 3 });
    expect(both.nodes.map(({ id, status, connections }) => [id, status, connections])).toEqual([
      [one.id, 'ok', 1],
      [two.id, 'ok', 2],
    ]);
    const ofTwo = await one.stats.read({ sinceMs: 1000, node: 'node2' });
    expect([last(ofTwo, 'connections'), ofTwo.nodes.length, last(ofTwo, 'rttP50Ms')! > 800]).toEqual([2, 1, true]);
  });

  it('ends where all nodes have a sample, and does not wait for one that is far behind', async () => {
    const [one, two] = [await world.add(), await world.add()];
    await pass(5);
    one.open();
    two.open();
    await pass(1);
    await pass(1, [one]);
    const both = await one.stats.read({ sinceMs: 3000 });
    expect(both.series['opened']).toEqual([0, 0, 2]);
    await pass(8, [one]);
    expect(core(await one.stats.read({ sinceMs: 12_000 }), 'opened')).toEqual([2]);
    expect((await one.stats.read({ sinceMs: 3000 })).series['connections']).toEqual([1, 1, 1]);
  });

  it('lists a silent node, and has no part of it', async () => {
    const [one, two] = [await world.add({ cluster: { requestTimeoutMs: 50 } }), await world.add()];
    one.open();
    two.open();
    await pass(2);
    await two.link.renew();
    two.repliesTo('none', { isFailed: false, body: {} });
    const { nodes, totals, series } = await one.stats.read({ sinceMs: 1000 });
    expect(nodes).toMatchObject([{ status: 'ok' }, { id: two.id, status: 'timeout', connections: 1 }]);
    expect([totals.connections, series['connections']]).toEqual([1, [1]]);
    await expect(one.stats.read({ node: two.id })).rejects.toMatchObject({ code: 'HEARTBEAT_NODE_SILENT' });
  });

  it('reports a node with a wrong reply as an error', async () => {
    const [one, two] = [await world.add(), await world.add()];
    await pass(1);
    two.repliesTo('stats', { isFailed: false, body: { last: 1e300, columns: {} } });
    expect((await one.stats.read()).nodes).toMatchObject([{ status: 'ok' }, { status: 'error' }]);
  });

  it('asks each node once for requests at the same time', async () => {
    const [one, two] = [await world.add(), await world.add()];
    await pass(1);
    const before = two.bus.calls['publish'] ?? 0;
    await Promise.all(Array.from({ length: 20 }, () => one.stats.read()));
    expect((two.bus.calls['publish'] ?? 0) - before).toBe(1);
  });
});
