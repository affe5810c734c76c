import { describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';

import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { Reading } from './load-ratio.js';
import { LoadService } from './load.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

const IDLE: Reading = { loopDelayMs: 0, loopUtilisation: 0, cpu: 0, heap: 0, memory: 0 };

class World {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly load: LoadService;
  readonly events: EventPayload[] = [];
  readonly closed: unknown[][] = [];

  constructor(options: HeartbeatOptions = {}) {
    const events = new HeartbeatEvents();
    events.stream.subscribe(event => event.type === 'load-changed' && this.events.push(unstamped(event)));
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions(options), clock);
    this.connections = wireNode(this.node, events).connections;
    this.load = new LoadService(this.node, this.connections, events);
  }

  /** Takes the same reading several times. */
  read(reading: Partial<Reading>, times = 5): void {
    for (let turn = 0; turn < times; turn++) this.load.step({ ...IDLE, ...reading });
  }

  /** Opens a connection that has been idle for `idleMs`. */
  open(idleMs: number) {
    const now = this.node.attendedMs;
    this.node.attendedMs = now - idleMs;
    const connection = this.connections.open({
      transport: transportOf({ close: (...how: unknown[]) => this.closed.push(how) }),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
      deferred: false,
    });
    this.node.attendedMs = now;
    return connection;
  }
}

const lastIsBusy = ({ connections }: World) => void [...connections.all()].at(-1)!.busy('an answer');

describe('LoadService', () => {
  it('is idle before the first reading', () => {
    const { load } = new World();
    expect([load.ratio, load.source, [...load.bySource]]).toEqual([0, 'event-loop', []]);
  });

  it('has the ratio of its busiest source', () => {
    const world = new World();
    world.read({ loopDelayMs: 100, heap: 0.6, memory: 0.5, cpu: 0.1 });
    expect([world.load.ratio, world.load.source]).toEqual([0.6, 'heap']);
    expect(world.node.load).toEqual({ ratio: 0.6, source: 'heap', level: 'well', refusing: false, shedding: false });
    expect(Object.fromEntries(world.load.bySource)).toMatchObject({ 'event-loop': 0.2, heap: 0.6, memory: 0.5 });
  });

  it.each([
    ['busy', 0.75, false, false],
    ['refusing', 0.92, true, false],
    ['shedding', 0.98, true, true],
  ] as const)('is %s at %d, and logs and publishes it once with its effect', (level, heap, refusing, shedding) => {
    const world = new World();
    world.read({ heap }, 20);
    expect(world.node.load).toEqual({ ratio: heap, source: 'heap', level, refusing, shedding });
    expect(world.events).toEqual([{ type: 'load-changed', ratio: heap, source: 'heap', level }]);
  });

  it('ignores one or two high readings, and counts three as load', () => {
    const world = new World();
    world.read({}, 5);
    world.read({ loopDelayMs: 5000 }, 2);
    expect(world.load.ratio).toBe(0);
    world.read({ loopDelayMs: 5000 }, 1);
    expect([world.load.ratio, world.node.load.level]).toEqual([1, 'shedding']);
    world.read({}, 2);
    expect(world.load.ratio).toBe(1);
    world.read({}, 1);
    expect([world.load.ratio, world.node.load.level]).toEqual([0, 'well']);
    expect(world.events).toHaveLength(2);
  });

  it('never refuses because of work alone', () => {
    const world = new World();
    world.read({ cpu: 1, loopUtilisation: 1 });
    expect(world.node.load).toMatchObject({ source: 'cpu', level: 'busy', refusing: false });
  });

  it.each([
    ['eventLoop', { loopDelayMs: 500 }],
    ['heap', { heap: 1 }],
    ['memory', { memory: 1 }],
    ['cpu', { cpu: 1 }],
  ])('ignores a source that is switched off: %s', (source, reading) => {
    const world = new World({ load: { source: { [source]: false } } });
    world.read(reading);
    expect([world.load.ratio, world.load.bySource.size]).toEqual([0, 3]);
  });

  it('is never busy with everything switched off', () => {
    const world = new World({ load: { source: { eventLoop: false, heap: false, memory: false, cpu: false } } });
    world.read({ loopDelayMs: 500, heap: 1, memory: 1, cpu: 1 });
    expect([world.load.ratio, world.load.bySource.size, world.events]).toEqual([0, 0, []]);
  });

  it('uses the configured marks', () => {
    const world = new World({ load: { refuseAbove: 0.5, shedAbove: 0.6 } });
    world.read({ heap: 0.55 });
    expect(world.node.load).toMatchObject({ level: 'refusing', shedding: false });
    world.read({ heap: 0.65 });
    expect(world.node.load).toMatchObject({ level: 'shedding', shedding: true });
  });

  it('publishes nothing for noise around a mark after the first time', () => {
    fc.assert(
      // Three readings make the first median that is not idle.
      fc.property(fc.array(fc.double({ min: 0.86, max: 0.94, noNaN: true }), { minLength: 3 }), ratios => {
        const world = new World();
        for (const heap of ratios) world.read({ heap }, 1);
        const levels = world.events.map(event => event.type === 'load-changed' && event.level);
        expect(['busy,refusing', 'busy', 'refusing']).toContain(levels.join(','));
      }),
    );
  });
});

/** Closes after `steps` steps above the highest mark. Each connection has been idle for a second longer than the one before it. */
function shed(count: number, steps: number, change: (world: World) => void = () => undefined) {
  const world = new World();
  world.node.attendedMs = 10_000_000;
  const connections = Array.from({ length: count }, (_, index) => world.open(index * 1000));
  change(world);
  world.read({});
  // Three high readings count as load; the third is the first step that sheds.
  world.read({ heap: 1 }, 2 + steps);
  return { world, connections, closed: connections.map(({ closing }) => closing !== null) };
}

describe('LoadService, shedding', () => {
  it('closes the longest idle of few connections, with 1013 and an advised delay', () => {
    const { closed, connections, world } = shed(20, 1);
    expect(closed).toEqual(Array.from({ length: 20 }, (_, index) => index === 19));
    expect(connections[19]!.closing).toEqual({ code: 1013, reason: 'server is overloaded', by: 'server' });
    expect(world.closed).toEqual([[1013, expect.stringMatching(/^server is overloaded; retry-after=\d+$/)]]);
  });

  it('closes the next one in the next step, and none twice', () => {
    const { closed } = shed(20, 3);
    expect(closed).toEqual(Array.from({ length: 20 }, (_, index) => index >= 17));
  });

  it('closes one in a hundred in each step, the longest idle', () => {
    expect(shed(100, 1).closed.filter(Boolean)).toHaveLength(1);
    expect(shed(1000, 1).closed.lastIndexOf(false)).toBe(989);
    expect(shed(1000, 1).closed.filter(Boolean)).toHaveLength(10);
    expect(shed(1001, 1).closed.filter(Boolean)).toHaveLength(11);
  });

  it('closes a connection with work last', () => {
    expect(shed(3, 1, lastIsBusy).closed).toEqual([false, true, false]);
    expect(shed(3, 3, lastIsBusy).closed).toEqual([true, true, true]);
  });

  it('ends when no connection is left, and continues without an error', () => {
    expect(shed(3, 5).closed).toEqual([true, true, true]);
    expect(shed(0, 5).closed).toEqual([]);
  });

  it('leaves the closing to the drain while the node drains', () => {
    expect(shed(20, 5, ({ node }) => (node.draining = true)).closed).not.toContain(true);
  });

  it('stops when the load has ended', () => {
    const { world, connections } = shed(30, 1);
    const before = connections.filter(({ closing }) => closing).length;
    world.read({}, 10);
    const after = connections.filter(({ closing }) => closing).length;
    // Two more steps until the median of the readings has fallen.
    expect([before, after]).toEqual([1, 3]);
  });
});
