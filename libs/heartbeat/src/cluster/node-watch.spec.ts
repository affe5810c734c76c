import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { Subject } from 'rxjs';

import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { ClusterBus, Lease, Renewal } from '../messaging/cluster-bus.js';
import type { ClusterMembership } from '../messaging/cluster-membership.js';
import type { NodeDirectory } from '../messaging/node-directory.js';
import { NodeWatch } from './node-watch.js';

const lines: string[] = [];
const turn = () => new Promise(resolve => setImmediate(resolve));

/** The description in a node's lease. */
function summary(name: string): string {
  return JSON.stringify({
    name,
    address: `${name}:3000`,
    version: '1',
    state: 'up',
    connections: 0,
    load: 0,
    intervalMs: 25_000,
  });
}

/** A node that reads leases from the test. */
class World {
  time = 0;
  reads = 0;
  fails = false;
  living: string[] = [];
  readonly renewals = new Subject<Renewal>();
  readonly departures = new Subject<string>();
  /** Works by its subscriptions. */
  readonly watch: NodeWatch;
  readonly node = new NodeState(resolveOptions({ cluster: { nodeName: 'own' } }), {
    now: () => this.time,
    wallTime: moment => new Date(moment),
  });

  constructor() {
    const bus = { leases: () => this.#leases() } as unknown as ClusterBus;
    const membership = { renewals: this.renewals, failed: () => {} } as unknown as ClusterMembership;
    this.watch = new NodeWatch(this.node, bus, membership, this as unknown as NodeDirectory);
  }

  async #leases(): Promise<Lease[]> {
    this.reads++;
    if (this.fails) throw new Error('lost');
    return [this.node.id, ...this.living].map(nodeId => ({ nodeId, summary: summary(nodeId), ageMs: 5 }));
  }

  /** A second with a renewal. */
  async second(): Promise<void> {
    this.time += 1000;
    this.renewals.next({ isNew: false, nodes: this.living.length + 1, banVersion: 0, limitVersion: 0, now: this.time });
    await turn();
  }
}

beforeEach(() => {
  lines.length = 0;
  const write = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
  Logger.overrideLogger({ log: write('log'), warn: write('warn'), error: write('error') });
});
afterEach(() => {
  Logger.overrideLogger(false);
});

describe('NodeWatch', () => {
  it('logs the nodes at the start, once', async () => {
    const world = new World();
    world.living = ['b', 'c'];
    for (let i = 0; i < 5; i++) await world.second();
    expect(lines).toEqual([`log node ${world.node.id} is in a cluster: 3 nodes, with b, c`]);
    expect(world.reads).toBe(1);
  });

  it('logs a node that joins, one that leaves, and one that dies', async () => {
    const world = new World();
    await world.second();
    world.living = ['b'];
    await world.second();
    world.living = ['b', 'c'];
    await world.second();
    world.departures.next('b');
    world.living = ['c'];
    await world.second();
    world.living = [];
    for (let i = 0; i < 7; i++) await world.second();
    expect(lines.slice(1)).toEqual([
      'log node b (b:3000) has joined the cluster: 2 nodes',
      'log node c (c:3000) has joined the cluster: 3 nodes',
      'log node b (b:3000) has left the cluster: 2 nodes',
      'warn node c (c:3000) is dead, its lease of 15000 ms was not renewed: 1 node',
    ]);
  });

  it('reports no node as dead whose lease returns within five seconds, as after an empty Redis returns', async () => {
    const world = new World();
    world.living = ['b', 'c'];
    await world.second();
    world.living = [];
    for (let i = 0; i < 4; i++) await world.second();
    world.living = ['b', 'c'];
    for (let i = 0; i < 8; i++) await world.second();
    expect(lines).toHaveLength(1);
  });

  it('detects a node that replaces another one in the same second', async () => {
    const world = new World();
    world.living = ['b'];
    await world.second();
    world.departures.next('b');
    world.living = ['d'];
    await world.second();
    expect(lines.slice(1)).toEqual([
      'log node d (d:3000) has joined the cluster: 3 nodes',
      'log node b (b:3000) has left the cluster: 2 nodes',
    ]);
  });

  it('reads again after a read that failed', async () => {
    const world = new World();
    world.living = ['b'];
    world.fails = true;
    await world.second();
    expect(lines).toEqual([]);
    world.fails = false;
    await world.second();
    expect(lines).toHaveLength(1);
  });
});
