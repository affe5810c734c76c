import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';

import { Logger, type LoggerService } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { LeakSentinel } from './leak-sentinel.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';

const lines: string[] = [];
Logger.overrideLogger({ warn: (line: string) => lines.push(line) } as unknown as LoggerService);

function aConnection(id = 'n.1') {
  const [socket, network] = [new EventEmitter(), new EventEmitter()];
  for (const emitter of [socket, network]) emitter.setMaxListeners(0);
  const listen = (count: number, name = 'message', emitter = socket) => {
    for (let i = 0; i < count; i++) emitter.on(name, () => {});
  };
  return {
    id,
    channel: { emitters: [socket, network] },
    lifetime: { disposers: 0, streams: 0 },
    ended: false,
    listen,
    network,
  };
}

/** A sentinel over these connections, and the events that it publishes. */
function watching(...living: ReturnType<typeof aConnection>[]) {
  const events = new HeartbeatEvents();
  const announced: EventPayload[] = [];
  events.stream.subscribe(event => announced.push(unstamped(event)));
  let passes = 0;
  const all = () => {
    passes++;
    return living.values() as unknown as IterableIterator<Connection>;
  };
  const sentinel = new LeakSentinel({ all } as ConnectionService, events);
  return { sentinel, announced, checks: () => passes };
}

beforeEach(() => {
  lines.length = 0;
});

describe('LeakSentinel', () => {
  it('reports nothing for usual numbers', async () => {
    const connection = aConnection();
    connection.listen(20);
    connection.lifetime.disposers = 20;
    const { sentinel, announced } = watching(connection, aConnection());
    await sentinel.check();
    expect(announced).toEqual([]);
    expect(lines).toEqual([]);
  });

  it('reports listeners that accumulate on one connection, with its id and their event', async () => {
    const connection = aConnection('n.7');
    connection.listen(90);
    connection.listen(15, 'data', connection.network);
    const { sentinel, announced } = watching(aConnection(), connection, aConnection());
    await sentinel.check();
    expect(announced).toEqual([{ type: 'drift', kind: 'listeners', count: 105 }]);
    expect(lines).toEqual([
      expect.stringContaining('connection n.7 has 105 listeners on its sockets, 90 of them for "message"'),
    ]);
  });

  it('reports accumulating disposers', async () => {
    const connection = aConnection('n.8');
    connection.lifetime.disposers = 500;
    const { sentinel, announced } = watching(connection);
    await sentinel.check();
    expect(announced).toEqual([{ type: 'drift', kind: 'disposers', count: 500 }]);
    expect(lines[0]).toContain('connection n.8 has 500 disposers');
  });

  it('reports accumulating streams', async () => {
    const connection = aConnection('n.9');
    connection.lifetime.streams = 31;
    const { sentinel, announced } = watching(connection);
    await sentinel.check();
    expect(announced).toEqual([]);
    connection.lifetime.streams = 64;
    await sentinel.check();
    expect(announced).toEqual([{ type: 'drift', kind: 'streams', count: 64 }]);
    expect(lines[0]).toContain('connection n.9 has 64 streams of answers');
  });

  it('reports again only when the number has doubled', async () => {
    const connection = aConnection();
    const { sentinel, announced } = watching(connection);
    for (const disposers of [500, 500, 700, 999, 1000, 1001, 3000]) {
      connection.lifetime.disposers = disposers;
      await sentinel.check();
    }
    expect(announced.map(event => event.type === 'drift' && event.count)).toEqual([500, 1000, 3000]);
    expect(lines).toHaveLength(3);
  });

  it('starts no check during another one', async () => {
    const connection = aConnection();
    const { sentinel, checks } = watching(connection);
    await sentinel.check();
    const inOne = checks();
    await Promise.all([sentinel.check(), sentinel.check()]);
    expect(checks()).toBe(2 * inOne);
  });
});
