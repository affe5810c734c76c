import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { until } from '../../../../test/support/assert/until.js';
import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { DrainService } from './drain.service.js';
import { type DrainStart, NodeDrains } from './node-drains.js';

Logger.overrideLogger(false);

/** A node of the world, and its drains. */
interface DrainedNode {
  readonly node: WorldNode;
  readonly drain: DrainService;
  readonly drains: NodeDrains;
  readonly reasons: string[];
}

const start = (values: DrainStart['values'] = {}, force = false): DrainStart => ({ by: 'ops', force, values });

describe('NodeDrains', () => {
  let world: ClusterWorld;
  let one: DrainedNode;
  let two: DrainedNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two] = [await add(), await add()];
    await world.renewAll();
  });
  afterEach(async () => {
    for (const { drain } of [one, two]) drain.abort();
    await world.end();
  });

  async function add(): Promise<DrainedNode> {
    const node = await world.add({ drain: { spreadMs: 5000 }, cluster: { requestTimeoutMs: 200 } });
    const drain = new DrainService(node.state, node.connections, node.events, node.inbound, { ms: null });
    const drains = new NodeDrains(drain, node.directory, node.requests);
    const reasons: string[] = [];
    node.events.ofType('drain-started').subscribe(({ reason }) => void reasons.push(reason));
    return { node, drain, drains, reasons };
  }

  /** Closes all connections of a node. */
  async function end({ node }: DrainedNode): Promise<void> {
    for (const connection of node.connections.all()) connection.close();
    await until(() => node.connections.count === 0);
  }

  it('starts, shows and aborts the drain of another node as of its own', async () => {
    for (const { node, drain, reasons } of [one, two]) {
      node.open();
      const { id } = node;
      expect(await one.drains.planOf(id)).toMatchObject({ node: id, state: 'serving', connections: 1, spreadMs: 5000 });
      const { outcome, plan } = await one.drains.startOn(id, start({ spreadMs: 60_000 }));
      expect([outcome, plan]).toEqual(['started', expect.objectContaining({ node: id, state: 'draining', total: 1 })]);
      expect([drain.state, reasons]).toEqual(['draining', ['by hand: ops']]);
      expect(await one.drains.planOf(id)).toMatchObject({ spreadMs: 60_000, deadlineMs: 72_000, final: false });
      expect(await one.drains.abortOn(id, 'ops')).toMatchObject({ outcome: 'aborted', plan: { state: 'serving' } });
      expect(drain.state).toBe('serving');
    }
  });

  it('refuses a second drain, also after its end', async () => {
    two.node.open();
    await one.drains.startOn(two.node.id, start({ spreadMs: 60_000 }));
    const refused = await one.drains.startOn(two.node.id, start({ spreadMs: 0 }, true));
    expect(refused).toMatchObject({ outcome: 'under-way', plan: { state: 'draining', spreadMs: 60_000 } });
    expect(two.reasons).toHaveLength(1);
    two.drain.abort();
    await end(two);
    expect((await one.drains.startOn(two.node.id, start())).plan.state).toBe('drained');
    const late = await one.drains.startOn(two.node.id, start({}, true));
    expect(late).toMatchObject({ outcome: 'under-way', plan: { state: 'drained', total: 0 } });
  });

  it('begins one drain of two that are requested at once', async () => {
    const { id } = two.node;
    two.node.open();
    const both = await Promise.all([one.drains.startOn(id, start()), two.drains.startOn(id, start())]);
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['started', 'under-way']);
    expect(two.reasons).toHaveLength(1);
  });

  it.each([
    ['the plan does not fit', { spreadMs: 5000, deadlineMs: 1000 }, 'does-not-fit'],
    ['it fits', { spreadMs: 100 }, 'started'],
  ])('checks the plan, unless it is forced: %s', async (_what, values, outcome) => {
    two.node.open();
    expect((await one.drains.startOn(two.node.id, start(values))).outcome).toBe(outcome);
    two.drain.abort();
    expect((await one.drains.startOn(two.node.id, start(values, true))).outcome).toBe('started');
  });

  it('leaves one node that serves, unless it is forced', async () => {
    one.node.open();
    two.node.open();
    await one.drains.startOn(two.node.id, start());
    await world.renewAll();
    for (const { drains } of [one, two]) {
      const { outcome, plan } = await drains.startOn(one.node.id, start());
      expect([outcome, plan.state, one.drain.state]).toEqual(['no-serving-node', 'serving', 'serving']);
    }
    expect((await two.drains.startOn(one.node.id, start({}, true))).outcome).toBe('started');
  });

  it('needs no other node in a cluster of one, and none that is known while Redis is lost', async () => {
    await two.node.stop();
    await world.renewAll();
    expect((await one.drains.startOn(one.node.id, start())).outcome).toBe('started');
    one.drain.abort();
    one.node.bus.isCut = true;
    await one.node.link.renew();
    expect((await one.drains.startOn(one.node.id, start())).outcome).toBe('started');
  });

  it('aborts no drain of a process that ends, and none where none runs', async () => {
    expect((await one.drains.abortOn(two.node.id, 'ops')).outcome).toBe('not-draining');
    two.node.open();
    void two.drain.takeOver('SIGTERM');
    const { outcome, plan } = await one.drains.abortOn(two.node.id, 'ops');
    expect([outcome, plan]).toEqual(['final', expect.objectContaining({ state: 'draining', reason: 'SIGTERM' })]);
    await end(two);
  });

  it('rejects where the node does not respond', async () => {
    two.node.bus.isCut = true;
    await two.node.stop();
    const silent = { code: 'HEARTBEAT_NODE_SILENT' };
    await expect(one.drains.planOf(two.node.id)).rejects.toMatchObject(silent);
    await expect(one.drains.startOn(two.node.id, start())).rejects.toMatchObject(silent);
    await expect(one.drains.abortOn(two.node.id, 'ops')).rejects.toMatchObject(silent);
  });
});
