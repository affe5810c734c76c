import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { Registry } from '../connection/registry.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { ReaperService } from './reaper.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

class FakeSocket {
  readonly bufferedAmount = 0;
  readonly OPEN = 1;
  readonly CLOSED = 3;
  readyState = 1;
  readonly closed: [number, string][] = [];

  close(code: number, reason: string): void {
    this.closed.push([code, reason]);
  }
}

/** A host without a scheduler. */
const moduleRef = {
  get: () => {
    throw new Error('none');
  },
} as unknown as ModuleRef;

describe('ReaperService', () => {
  let time: number;
  let node: NodeState;
  let connections: ConnectionService;
  let entries: Registry;
  let reaper: ReaperService;
  let events: EventPayload[];

  function start(reaperOptions: HeartbeatOptions['reaper'] = {}): void {
    time = 1000;
    events = [];
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions({ reaper: reaperOptions }), clock);
    const stream = new HeartbeatEvents();
    ({ connections, registry: entries } = wireNode(node, stream));
    reaper = new ReaperService(moduleRef, node, connections, entries, stream);
    stream.stream.subscribe(event => events.push(unstamped(event)));
  }

  function open() {
    const socket = new FakeSocket();
    const connection = connections.open({
      transport: transportOf(socket),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: { userId: 'ann' },
    });
    return { connection, socket, id: connection.id };
  }

  /** Advances the time, all of it attended. */
  function pass(ms: number): void {
    time += ms;
    node.attendedMs += ms;
  }

  const told = () => events.filter(({ type }) => type === 'reaped');

  beforeEach(() => start());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  describe('of idle connections', () => {
    beforeEach(() => start({ idleTimeoutMs: 60_000 }));

    it('closes with 4001 a connection without messages in either direction for the timeout, and publishes it', async () => {
      const { connection, socket, id } = open();
      pass(59_999);
      await reaper.run();
      expect(connection.closing).toBeNull();
      pass(1);
      await reaper.run();
      expect(socket.closed).toEqual([[4001, 'idle']]);
      expect(connection.closing).toEqual({ code: 4001, reason: 'idle', by: 'server' });
      expect(told()).toEqual([{ type: 'reaped', id, reason: 'idle' }]);
    });

    it.each<[string, 'closes' | 'spares', (connection: Connection) => unknown]>([
      ['a message was received', 'spares', connection => connection.countReceived(time)],
      ['a message was sent', 'spares', connection => connection.admits('message', 0)],
      ['a ping was answered', 'closes', ({ pulse }) => pulse.markAlive(node.attendedMs)],
      ['a ping was sent', 'closes', ({ pulse }) => pulse.pinged(node.attendedMs, time)],
      ['work was announced', 'spares', connection => connection.busy('an answer')],
      ['work was announced and done', 'closes', connection => connection.busy('an answer').done()],
    ])('where %s meanwhile, %s', async (_what, outcome, happen) => {
      const { connection } = open();
      pass(30_000);
      happen(connection);
      pass(30_000);
      await reaper.run();
      expect(connection.closing === null ? 'spares' : 'closes').toBe(outcome);
    });

    it('counts attended time, so that a stall makes no connection idle', async () => {
      const { connection } = open();
      time += 3_600_000;
      await reaper.run();
      expect(connection.closing).toBeNull();
    });

    it('publishes nothing for a connection that is already closing', async () => {
      const { connection } = open();
      connection.close(4321);
      pass(60_000);
      await reaper.run();
      expect([connection.closing?.code, told()]).toEqual([4321, []]);
    });
  });

  it('closes no connection for idleness or age by default', async () => {
    const { connection } = open();
    pass(1e9);
    await reaper.run();
    expect([connection.closing, told()]).toEqual([null, []]);
  });

  describe('of old connections', () => {
    it.each([0, 0.1, 0.5, 0.9])(
      'with a jitter of %d closes each at an age of its own, within the jitter',
      async jitter => {
        start({ maxLifetimeMs: 100_000, lifetimeJitter: jitter });
        const all = Array.from({ length: 400 }, () => open());
        const ages: number[] = [];
        const step = 2000;
        for (let age = 0; age <= 202_000; age += step) {
          for (const { connection } of all) if (age % 10_000 === 0) connection.countReceived(time);
          const before = all.filter(({ connection }) => connection.closing !== null).length;
          await reaper.run();
          const after = all.filter(({ connection }) => connection.closing !== null).length;
          ages.push(...Array.from({ length: after - before }, () => age));
          pass(step);
        }
        expect(ages).toHaveLength(400);
        expect(Math.min(...ages)).toBeGreaterThanOrEqual(100_000 * (1 - jitter));
        expect(Math.max(...ages)).toBeLessThan(100_000 * (1 + jitter) + step);
        expect(new Set(ages).size).toBeGreaterThanOrEqual(jitter * 50);
        expect(all[0]?.socket.closed).toEqual([[4002, 'lifetime reached']]);
        expect(told()[0]).toMatchObject({ type: 'reaped', reason: 'lifetime' });
      },
    );

    it.each([0, 999])('closes also a connection at the very end of a jitter of 1 (phase %d)', async phase => {
      start({ maxLifetimeMs: 100_000, lifetimeJitter: 1 });
      jest.spyOn(Math, 'random').mockReturnValue(phase / 1000);
      const { connection } = open();
      pass(200_000);
      await reaper.run();
      expect(connection.closing?.code).toBe(4002);
    });
  });
});
