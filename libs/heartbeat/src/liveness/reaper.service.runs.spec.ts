import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { TrackedTransport } from '../connection/ports.js';
import type { Registry } from '../connection/registry.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import { REAPER_JOB, ReaperService } from './reaper.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

class FakeSocket {
  readonly OPEN = 1;
  readonly CLOSED = 3;
  readyState = 1;
  connection: Connection | undefined;
  terminated = 0;

  close(): void {}

  terminate(): void {
    this.terminated++;
  }
}

/** The host's modules, with or without a scheduler. */
function moduleRefWith(registry: SchedulerRegistry | null): ModuleRef {
  const get = () => {
    if (registry === null) throw new Error('the host has no scheduler');
    return registry;
  };
  return { get } as unknown as ModuleRef;
}

describe('ReaperService, in its runs', () => {
  let node: NodeState;
  let connections: ConnectionService;
  let entries: Registry;
  let reaper: ReaperService;
  let sockets: Set<TrackedTransport>;
  let events: EventPayload[];

  beforeEach(() => {
    const time = 1000;
    events = [];
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions(), clock);
    const stream = new HeartbeatEvents();
    ({ connections, registry: entries } = wireNode(node, stream));
    reaper = new ReaperService(moduleRefWith(null), node, connections, entries, stream);
    sockets = new Set();
    connections.socketSets.push(sockets);
    stream.stream.subscribe(event => events.push(unstamped(event)));
  });

  function open() {
    const socket = new FakeSocket();
    const transport = Object.assign(transportOf(socket), { tracked: undefined as Connection | undefined });
    const connection = connections.open({
      transport,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: { userId: 'ann' },
    });
    transport.tracked = connection;
    sockets.add(transport);
    return { connection, socket, id: connection.id };
  }

  const told = () => events.filter(({ type }) => type === 'reaped' || type === 'drift');
  const reports = () => told().map(event => ('kind' in event ? [event.kind, event.count] : event));

  afterEach(() => {
    jest.restoreAllMocks();
  });

  describe('of the registry', () => {
    it('finds nothing in a consistent registry', async () => {
      open();
      const { connection } = open();
      connection.close();
      await reaper.run();
      expect(told()).toEqual([]);
    });

    it('removes an entry whose socket has closed without an event', async () => {
      const { connection, socket } = open();
      socket.readyState = socket.CLOSED;
      await reaper.run();
      expect([connections.count, connection.ended, reports()]).toEqual([0, true, [['registry', 1]]]);
      expect(connections.closedHistory()[0]).toMatchObject({ code: 1006, closedBy: 'network' });
      await reaper.run();
      expect(reports()).toHaveLength(1);
    });

    it('terminates an open socket without an entry, and leaves one that is closing', async () => {
      const [stray, closing] = [new FakeSocket(), Object.assign(new FakeSocket(), { readyState: 2 })];
      for (const socket of [stray, closing]) sockets.add(Object.assign(transportOf(socket), { tracked: undefined }));
      await reaper.run();
      expect([stray.terminated, closing.terminated, reports()]).toEqual([1, 0, [['socket', 1]]]);
    });

    it('terminates an open socket whose connection is no longer in the registry', async () => {
      const { connection, socket } = open();
      connections.closed(connection, 1006, '');
      await reaper.run();
      expect([socket.terminated, reports()]).toEqual([1, [['socket', 1]]]);
    });

    it('corrects the indexes', async () => {
      const { connection } = open();
      // One user is missing from the index, and another one is in it without a connection.
      Object.defineProperty(connection, 'userId', { value: null, configurable: true });
      connection.identify({ userId: 'ann' });
      Reflect.deleteProperty(connection, 'userId');
      const { connection: stale } = open();
      stale.identify({ userId: 'ghost' });
      Object.defineProperty(stale, 'userId', { value: null });
      await reaper.run();
      expect(reports()).toEqual([['index', 2]]);
      expect([connections.findByUser('ann'), connections.findByUser('ghost')]).toEqual([[connection], []]);
      await reaper.run();
      expect(reports()).toHaveLength(1);
    });
  });

  it('does not run twice at once, and runs again after a run that succeeded or failed', async () => {
    open();
    const first = reaper.run();
    expect(await reaper.run()).toBe(false);
    expect(await first).toBe(true);
    jest.spyOn(entries, 'repair').mockImplementationOnce(() => {
      throw new Error('broken');
    });
    await expect(reaper.run()).rejects.toThrow('broken');
    expect(await reaper.run()).toBe(true);
  });

  it('lets the event loop run between its slices', async () => {
    for (let index = 0; index < 160; index++) open();
    let clock = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (clock += 10));
    let turns = 0;
    let counting: NodeJS.Immediate;
    const count = () => {
      turns++;
      counting = setImmediate(count);
    };
    count();
    await reaper.run();
    clearImmediate(counting!);
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  it.each([true, false])(
    'registers its job in the registry of the host (a scheduler there: %p), and removes it',
    async has => {
      const registry = new SchedulerRegistry();
      reaper = new ReaperService(
        moduleRefWith(has ? registry : null),
        node,
        connections,
        entries,
        new HeartbeatEvents(),
      );
      reaper.onApplicationBootstrap();
      expect([...registry.getCronJobs().keys()]).toEqual(has ? [REAPER_JOB] : []);
      const ran = jest.spyOn(reaper, 'run');
      await registry.getCronJobs().get(REAPER_JOB)?.fireOnTick();
      expect(ran).toHaveBeenCalledTimes(Number(has));
      await reaper.onApplicationShutdown();
      expect(registry.getCronJobs().size).toBe(0);
    },
  );

  it.each<[string, (registry: SchedulerRegistry) => void]>([
    ['the host’s ScheduleModule has emptied its registry', registry => registry.deleteCronJob(REAPER_JOB)],
    [
      'the host has put another job under the name',
      registry => {
        registry.deleteCronJob(REAPER_JOB);
        registry.addCronJob(REAPER_JOB, hostJob());
      },
    ],
    ['the host has stopped the job', registry => void registry.getCronJob(REAPER_JOB).stop()],
  ])('ends without an error where %s', async (_what, meddle) => {
    const registry = new SchedulerRegistry();
    reaper = new ReaperService(moduleRefWith(registry), node, connections, entries, new HeartbeatEvents());
    reaper.onApplicationBootstrap();
    const job = registry.getCronJob(REAPER_JOB);
    meddle(registry);
    await reaper.onApplicationShutdown();
    expect(job.isActive).toBe(false);
    expect([...registry.getCronJobs().values()]).not.toContain(job);
  });

  it('runs beside a job of the host that has its name, and leaves that job alone', async () => {
    const registry = new SchedulerRegistry();
    const taken = hostJob();
    registry.addCronJob(REAPER_JOB, taken);
    reaper = new ReaperService(moduleRefWith(registry), node, connections, entries, new HeartbeatEvents());
    reaper.onApplicationBootstrap();
    expect(registry.getCronJob(REAPER_JOB)).toBe(taken);
    await reaper.onApplicationShutdown();
    expect(registry.getCronJob(REAPER_JOB)).toBe(taken);
  });
});

/** A job that is never due in a test. */
function hostJob(): CronJob {
  return CronJob.from({ cronTime: '0 0 1 1 *', onTick: () => {}, start: false });
}
