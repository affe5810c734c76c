import { afterEach, describe, expect, it } from '@jest/globals';
import { resolveOptions } from 'nestjs-heartbeat/tooling';

import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { EventLog } from './event-log.js';
import { MAX_PAGE_EVENTS } from './event-page.js';
import type { EventSelection } from './event-page.js';

const ALL: EventSelection = { types: ['drift', 'banned', 'slow', 'closed'], filter: {} };
const drift: EventPayload = { type: 'drift', kind: 'index', count: 1 };
const LONG_MS = 60_000;

let world: ReturnType<typeof start> | null = null;
afterEach(() => {
  world?.log.close();
  world = null;
});

function start() {
  let now = 0;
  const clock = { now: () => now, wallTime: (moment: number) => new Date(moment) };
  const node = new NodeState(resolveOptions({}), clock);
  const events = new HeartbeatEvents(clock);
  const { connections } = wireNode(node, events);
  const log = new EventLog(node, events, connections);
  const turn = (ms: number) => {
    now += ms;
    turns.forEach(work => work());
  };
  const turns = new Set<() => void>();
  Object.assign(node.seconds, {
    every: (work: () => void) => {
      turns.add(work);
      return () => turns.delete(work);
    },
  });
  const open = (userId: string, labels = {}) =>
    connections.open({
      transport: transportOf({ bufferedAmount: 0 }),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: { userId, labels },
    });
  return { node, events, connections, log, turn, turns, open };
}

const begun = (selection = ALL) => {
  world = start();
  return { ...world, from: world.log.read({ ...selection, after: null }).next };
};
const kinds = (page: { readonly events: readonly (readonly [number, string, string])[] }) =>
  page.events.map(([, type]) => type);

describe('EventLog', () => {
  it('subscribes to nothing before the first request', () => {
    const { events, log } = (world = start());
    expect(events.isWanted('drift')).toBe(false);
    log.read({ ...ALL, after: null });
    expect(events.isWanted('opened')).toBe(true);
    expect(events.isWanted('ping')).toBe(false);
    log.read({ types: ['ping'], filter: {}, after: null });
    expect(events.isWanted('ping')).toBe(true);
  });

  it('has the events after a position, and a next position', () => {
    const { events, log, from } = begun();
    events.announce(drift);
    events.announce({ type: 'kicked', id: 'a', by: 'b', reason: '', code: 4500 });
    events.announce(drift);
    const page = log.read({ ...ALL, after: from });
    expect(page.events.map(([seq]) => seq - from)).toEqual([1, 3]);
    expect(page).toMatchObject({ next: from + 3, missing: null, hasEnded: false });
    expect(log.read({ ...ALL, after: page.next })).toMatchObject({ events: [], next: from + 3 });
    expect(log.read({ ...ALL, after: from + 1 }).events.map(([seq]) => seq - from)).toEqual([3]);
  });

  it('merges heartbeats with other events in the order of their numbers', () => {
    const { events, log, from } = begun({ types: ['ping', 'drift'], filter: {} });
    for (const payload of [drift, { type: 'ping', id: 'a' }, drift, drift, { type: 'ping', id: 'b' }] as EventPayload[])
      events.announce(payload);
    const page = log.read({ types: ['drift', 'ping'], filter: {}, after: from });
    expect(kinds(page)).toEqual(['drift', 'ping', 'drift', 'drift', 'ping']);
    expect(kinds(log.read({ types: ['drift'], filter: {}, after: from }))).toEqual(['drift', 'drift', 'drift']);
  });

  it('returns pages of at most 200 events, and of the characters that one message has', () => {
    const { events, log, from } = begun();
    for (let i = 0; i < 250; i++) events.announce(drift);
    const first = log.read({ ...ALL, after: from });
    expect([first.events.length, first.next]).toEqual([MAX_PAGE_EVENTS, from + MAX_PAGE_EVENTS]);
    const second = log.read({ ...ALL, after: first.next });
    expect([second.events.length, second.next]).toEqual([50, from + 250]);
    const ban = { id: 'a', kind: 'user', value: 'x'.repeat(30_000), reason: '', forMs: 1 } as const;
    for (let i = 0; i < 3; i++) events.announce({ type: 'banned', ban });
    expect(log.read({ ...ALL, after: second.next }).events).toHaveLength(2);
  });

  it('filters by attributes at the time of the event, also for connections that have closed', () => {
    const { log, open, connections, from, events } = begun();
    const [ada, eve] = [open('ada', { team: 'red' }), open('eve')];
    events.announce({ type: 'slow', id: ada.id, bufferedBytes: 1, why: 'limit' });
    events.announce({ type: 'slow', id: eve.id, bufferedBytes: 1, why: 'limit' });
    connections.closed(ada, 1000, 'bye');
    connections.closed(eve, 1000, 'bye');
    const read = (filter: EventSelection['filter']) => kinds(log.read({ ...ALL, filter, after: from }));
    expect(read({})).toEqual(['slow', 'slow', 'closed', 'closed']);
    const both = ['slow', 'closed'];
    expect([read({ user: 'ada' }), read({ labels: { team: 'red' } })]).toEqual([both, both]);
    expect(read({ ip: '10.0.0.0/8', path: '/ws', transport: 'other', user: 'eve' })).toEqual([]);
    expect([read({ ip: '192.0.2.0/24' }), read({ labels: { team: 'blue' } })]).toEqual([[], []]);
  });

  it('names the numbers that were overwritten, and continues with those that it has', () => {
    const { events, log, from } = begun();
    for (let i = 0; i < 20_010; i++) events.announce(drift);
    const page = log.read({ ...ALL, after: from + 4 });
    expect(page.missing).toEqual([from + 5, from + 10]);
    expect(page.events[0]?.[0]).toBe(from + 11);
  });

  it('reports a position of the future as a gap', () => {
    const { log, from } = begun();
    expect(log.read({ ...ALL, after: from + 100 })).toMatchObject({
      events: [],
      next: from,
      missing: [from + 1, from],
    });
  });

  it('stops minutes after the last request, and then knows that it missed something', () => {
    const { events, log, from, turn, turns } = begun();
    turn(299_000);
    expect(log.read({ ...ALL, after: from }).missing).toBeNull();
    turn(301_000);
    expect([events.isWanted('drift'), turns.size]).toEqual([false, 0]);
    // An event without a subscriber takes no number.
    events.announce(drift);
    const page = log.read({ ...ALL, after: from });
    expect(page.missing).not.toBeNull();
    expect(log.read({ ...ALL, after: page.next }).missing).toBeNull();
    const fresh = log.read({ ...ALL, after: null }).next;
    expect(log.read({ ...ALL, after: fresh }).missing).toBeNull();
  });

  it('keeps no connection', () => {
    const { log, open, from, connections } = begun();
    const connection = open('ada');
    connections.closed(connection, 1000, '');
    expect(kinds(log.read({ ...ALL, after: from }))).toEqual(['closed']);
    expect(connections.count).toBe(0);
  });
});

describe('a request that waits', () => {
  it('is answered with events, several at once', async () => {
    const { events, log, from } = begun();
    const waiting = log.poll({ ...ALL, after: from }, LONG_MS);
    for (let i = 0; i < 3; i++) events.announce(drift);
    expect((await waiting).events).toHaveLength(3);
  });

  it('waits on where events do not match its filter', async () => {
    const { events, log, from, open } = begun();
    let isAnswered = false;
    const waiting = log.poll({ ...ALL, filter: { user: 'ada' }, after: from }, LONG_MS).then(page => {
      isAnswered = true;
      return page;
    });
    const other = log.poll({ ...ALL, after: from }, LONG_MS);
    events.announce(drift);
    await other;
    expect(isAnswered).toBe(false);
    events.announce({ type: 'slow', id: open('ada').id, bufferedBytes: 1, why: 'limit' });
    expect(kinds(await waiting)).toEqual(['slow']);
  });

  it('is answered without an event when its time is over, with a position behind what it compared', async () => {
    const { events, log, from } = begun();
    events.announce(drift);
    const page = await log.poll({ ...ALL, types: ['closed'], after: from }, 20);
    expect(page).toMatchObject({ events: [], next: from + 1 });
  });

  it('finds an event far behind others that do not match, in several turns', async () => {
    const { events, log, from } = begun();
    for (let i = 0; i < 10_000; i++) events.announce(drift);
    events.announce({ type: 'banned', ban: { id: 'a', kind: 'user', value: 'u', reason: '', forMs: 1 } });
    expect(log.read({ ...ALL, types: ['banned'], after: from }).events).toEqual([]);
    const page = await log.poll({ ...ALL, types: ['banned'], after: from }, LONG_MS);
    expect(kinds(page)).toEqual(['banned']);
  });

  it('is answered at once without a position, and at the end of the node with all that there is', async () => {
    const { events, log, from } = begun();
    expect(await log.poll({ ...ALL, after: null }, LONG_MS)).toMatchObject({ next: from, events: [] });
    const waiting = log.poll({ ...ALL, after: from }, LONG_MS);
    events.announce(drift);
    log.close();
    expect(await waiting).toMatchObject({ next: from + 1, hasEnded: true, missing: null });
    expect(kinds(await waiting)).toEqual(['drift']);
    expect(await log.poll({ ...ALL, after: from + 1 }, LONG_MS)).toMatchObject({ events: [], hasEnded: true });
  });
});
