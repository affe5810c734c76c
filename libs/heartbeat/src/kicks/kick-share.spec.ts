import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { until } from '../../../../test/support/assert/until.js';
import { ClusterWorld, type OpenConnection, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { KickShare, type ShareWork } from './kick-share.js';

Logger.overrideLogger(false);

describe('KickShare', () => {
  let world: ClusterWorld;
  let node: WorldNode;
  let kicked: string[];
  let shares: KickShare[];
  let ends: number;

  beforeEach(async () => {
    world = new ClusterWorld();
    node = await world.add({}, { isAlone: true });
    [kicked, shares, ends] = [[], [], 0];
    node.events.ofType('kicked').subscribe(({ id }) => kicked.push(id));
  });
  afterEach(async () => {
    for (const share of shares) share.stop();
    await world.end();
  });

  function begin(bound: readonly OpenConnection[], more: Partial<ShareWork> = {}): KickShare {
    const serials = Float64Array.from(bound, ({ connection }) => connection.serial);
    const { state, connections, bans } = node;
    const work = { serials, options: {}, by: 'ops', perSecond: 100, ...more };
    const share = new KickShare({ node: state, connections, bans }, work, () => void ends++);
    shares.push(share);
    share.begin();
    return share;
  }

  it('kicks at its pace, in the order of the connections, and ends once', async () => {
    const bound = Array.from({ length: 12 }, () => node.open());
    const share = begin(bound);
    await until(() => kicked.length === 1);
    world.now += 50;
    await until(() => kicked.length === 6);
    world.now += 10_000;
    await until(() => share.report.state === 'done');
    expect(kicked).toEqual(bound.map(({ id }) => id));
    expect([share.report, ends]).toEqual([{ state: 'done', closed: 12, gone: 0, failed: 0, bans: 0 }, 1]);
  });

  it('ends at once without connections', async () => {
    const share = begin([]);
    await until(() => share.report.state === 'done');
    expect(ends).toBe(1);
  });

  it('kicks none after a stop', async () => {
    const share = begin([node.open(), node.open()]);
    await until(() => kicked.length === 1);
    share.stop();
    const later = begin([node.open(), node.open(), node.open()]);
    world.now += 10_000;
    await until(() => later.report.state === 'done');
    expect([share.report, kicked.length, ends]).toEqual([
      { state: 'stopped', closed: 1, gone: 0, failed: 0, bans: 0 },
      4,
      2,
    ]);
  });

  it('counts what is left as gone when the process ends', async () => {
    const share = begin([node.open(), node.open(), node.open()]);
    await until(() => kicked.length === 1);
    share.abandon();
    expect(share.report).toEqual({ state: 'done', closed: 1, gone: 2, failed: 0, bans: 0 });
  });

  it('bans the user whom a connection has at its kick', async () => {
    const [first, second] = [node.open({ userId: 'ada' }), node.open({ userId: 'ada' })];
    begin([first, second], { options: { banForMs: 60_000 } });
    await until(() => kicked.length === 1);
    second.connection.identify({ userId: 'bob' });
    world.now += 1000;
    await until(() => kicked.length === 2);
    expect(node.bans.list().map(({ value }) => value)).toEqual(['ada', 'bob']);
  });

  it('bans no anonymous client of a Unix socket, which has no address', async () => {
    const share = begin([node.open({ ip: 'unix:' })], { options: { banForMs: 60_000 } });
    await until(() => share.report.state === 'done');
    expect([share.report.bans, node.bans.list()]).toEqual([0, []]);
  });
});
