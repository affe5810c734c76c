/** Work on a whole set of connections goes on in slices: no turn of the event loop has all of its closes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';

import type { BanList } from '../libs/heartbeat/src/admission/ban-list.js';
import { SystemClock } from '../libs/heartbeat/src/base/clock.js';
import type { Connection } from '../libs/heartbeat/src/connection/connection.js';
import type { ConnectionService } from '../libs/heartbeat/src/connection/connection.service.js';
import { NodeState } from '../libs/heartbeat/src/node/node-state.js';
import { DrainService } from '../libs/heartbeat/src/drain/drain.service.js';
import type { InboundService } from '../libs/heartbeat/src/flow/inbound.service.js';
import type { OutboundService } from '../libs/heartbeat/src/flow/outbound.service.js';
import { HeartbeatEvents } from '../libs/heartbeat/src/connection/heartbeat.events.js';
import type { Registry } from '../libs/heartbeat/src/connection/registry.js';
import { ReaperService } from '../libs/heartbeat/src/liveness/reaper.service.js';
import { LoadService } from '../libs/heartbeat/src/load/load.service.js';
import { resolveOptions } from '../libs/heartbeat/src/options/resolve-options.js';
import { ClusterWorld } from './support/servers/cluster-world.js';
import { until } from './support/assert/until.js';
import { wireNode } from './support/servers/wire-node.js';
import { transportOf } from './support/servers/fake-transport.js';

Logger.overrideLogger(false);

const CLIENTS = 1000;
/** The cost of a close here, some times that of a real one. */
const CLOSE_MS = 0.1;
/** A slice of half a millisecond, and the steps until the clock is read again; some slices may share a turn. */
const MOST_IN_A_TURN = 60;

/** Counts the closes of each turn of the event loop. */
class Turns {
  longest = 0;
  total = 0;
  #now = 0;

  close(): void {
    const end = performance.now() + CLOSE_MS;
    while (performance.now() < end);
    if (this.#now === 0) setImmediate(() => (this.#now = 0));
    this.longest = Math.max(this.longest, ++this.#now);
    this.total++;
  }
}

class World {
  readonly node: NodeState;
  readonly events = new HeartbeatEvents();
  readonly connections: ConnectionService;
  readonly bans: BanList;
  readonly registry: Registry;
  readonly outbound: OutboundService;
  readonly inbound: InboundService;
  readonly turns = new Turns();

  constructor() {
    const drain = { spreadMs: 0, readinessDelayMs: 0, closeTimeoutMs: 1, deadlineMs: 1 };
    this.node = new NodeState(resolveOptions({ drain }), new SystemClock());
    ({
      registry: this.registry,
      connections: this.connections,
      bans: this.bans,
      outbound: this.outbound,
      inbound: this.inbound,
    } = wireNode(this.node, this.events));
  }

  open(number: number, { ip = `10.0.${number >> 8}.${number & 255}`, waiting = 0, deferred = false } = {}): Connection {
    const closed = () => {
      this.turns.close();
      setImmediate(() => this.connections.closed(connection, 1006, ''));
    };
    const connection: Connection = this.connections.open({
      transport: transportOf(
        {
          bufferedAmount: waiting,
          send: () => undefined,
          close: closed,
          terminate: closed,
        },
        { bytesRead: 0, bytesWritten: 0, writableLength: waiting, isPaused: () => false },
      ),
      path: '/ws',
      ip,
      userAgent: null,
      identity: deferred ? null : { userId: 'ann' },
      deferred,
    });
    return connection;
  }
}

describe('work on a whole set of connections', () => {
  let world: World;

  beforeEach(() => {
    world = new World();
  });
  afterEach(() => until(() => world.connections.count === 0));

  const openAll = (more: { ip?: string; waiting?: number; deferred?: boolean } = {}) => {
    for (let number = 0; number < CLIENTS; number++) world.open(number, more);
  };

  it.each<[string, () => unknown]>([
    ['a ban of a user', () => (openAll(), world.bans.ban({ kind: 'user', value: 'ann', forMs: 60_000 }))],
    [
      'a ban of an address',
      () => (openAll({ ip: '10.0.0.1' }), world.bans.ban({ kind: 'ip', value: '10.0.0.1', forMs: 60_000 })),
    ],
    [
      'a ban of an IPv6 address',
      () => (openAll({ ip: '2001:db8::1' }), world.bans.ban({ kind: 'ip', value: '2001:DB8:0::1', forMs: 60_000 })),
    ],
    ['a ban of a network', () => (openAll(), world.bans.ban({ kind: 'cidr', value: '10.0.0.0/16', forMs: 60_000 }))],
    [
      'bans of many addresses, as from another node',
      () => {
        openAll();
        for (const { ip } of world.connections.all()) {
          world.bans.add({ id: ip, kind: 'ip', value: ip, reason: 'spam', forMs: 60_000 });
        }
      },
    ],
    [
      'the end of the time to identify',
      () => {
        openAll({ deferred: true });
        world.node.attendedMs = 60_000;
        return new ReaperService(
          {} as ModuleRef,
          world.node,
          world.connections,
          world.registry,
          world.events,
        ).expectIdentities();
      },
    ],
    [
      'slow clients that are destroyed',
      async () => {
        openAll({ waiting: 1000 });
        for (let second = 0; second < 20; second++) {
          world.node.attendedMs += 1000;
          world.outbound.check();
        }
      },
    ],
    [
      'the deadline of a drain',
      async () => {
        openAll();
        await new DrainService(world.node, world.connections, world.events, world.inbound, { ms: null }).start(
          'a test',
        );
      },
    ],
  ])('has few closes in a turn: %s', async (_what, act) => {
    await act();
    await until(() => world.turns.total >= CLIENTS);
    expect(world.turns.longest).toBeLessThanOrEqual(MOST_IN_A_TURN);
  });

  it('has few closes in a turn: shedding, which takes the longest idle', async () => {
    for (let number = 0; number < 10 * CLIENTS; number++) world.open(number).pulse.active(number);
    world.node.attendedMs = 20 * CLIENTS;
    const load = new LoadService(world.node, world.connections, world.events);
    const all = [...world.connections.all()];
    for (let step = 0; step < 3; step++) {
      load.step({ loopDelayMs: 5000, loopUtilisation: 1, cpu: 1, heap: 1, memory: 1 });
    }
    await until(() => world.turns.total >= CLIENTS / 10);
    expect(world.turns.longest).toBeLessThanOrEqual(MOST_IN_A_TURN);
    expect(all.slice(0, CLIENTS / 10).every(({ closing }) => closing?.code === 1013)).toBe(true);
    for (const connection of all) world.connections.closed(connection, 1006, '');
  });

  it('bans bind at once: a message of a connection that the closes have not reached closes it', async () => {
    openAll();
    const [stranger, last] = [world.open(CLIENTS, { deferred: true }), [...world.connections.all()].at(-2)!];
    world.bans.closeIfBanned(last);
    expect(last.closing).toBeNull();
    world.bans.ban({ kind: 'user', value: 'ann', forMs: 60_000, reason: 'spam' });
    expect(last.closing).toBeNull();
    for (const connection of [stranger, last]) world.bans.closeIfBanned(connection);
    expect([stranger.closing, last.closing]).toEqual([null, { code: 4501, reason: 'spam', by: 'operator' }]);
    await until(() => world.turns.total === CLIENTS);
    world.connections.closed(stranger, 1006, '');
  });

  it('a kick of all answers in time, counts what it has begun and what follows, and goes on', async () => {
    const cluster = new ClusterWorld();
    const [one, two] = [await cluster.add(), await cluster.add()];
    await cluster.renewAll();
    const opened = Array.from({ length: CLIENTS }, () => two.open({ userId: 'ann' }).connection);
    for (const { channel } of opened) {
      const { shut } = channel;
      channel.shut = (...given) => (world.turns.close(), shut(...given));
    }
    const closing = () => opened.filter(connection => connection.closing !== null).length;
    const { kicked, failed, nodes } = await one.cluster.kickAll({ user: 'ann' }, { reason: 'all' });
    expect([kicked, failed, nodes.map(({ status }) => status)]).toEqual([CLIENTS, 0, ['ok', 'ok']]);
    await until(() => closing() === CLIENTS);
    expect(world.turns.longest).toBeLessThanOrEqual(MOST_IN_A_TURN);
    await cluster.end();
  });

  it('a bulk kick has few closes in a turn, at any pace', async () => {
    const cluster = new ClusterWorld();
    const one = await cluster.add({}, { isAlone: true });
    for (let number = 0; number < CLIENTS; number++) {
      const { channel } = one.open({ userId: `user ${number}` }).connection;
      const { shut } = channel;
      channel.shut = (...given) => (world.turns.close(), shut(...given));
    }
    const { token } = await one.kicks.plan({ filter: { minAgeMs: 0 } });
    await one.kicks.start(token, { perSecond: 100_000 });
    await until(() => ((cluster.now += 250), world.turns.total === CLIENTS));
    expect(world.turns.longest).toBeLessThanOrEqual(MOST_IN_A_TURN);
    await cluster.end();
  });
});
