import { describe, expect, it } from '@jest/globals';

import { type EventPayload, type HeartbeatEvent, HeartbeatEvents } from './heartbeat.events.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';

const drift: EventPayload = { type: 'drift', kind: 'index', count: 1 };
const ping: EventPayload = { type: 'ping', id: 'a' };
const unbanned: EventPayload = { type: 'unbanned', id: 'b', forMs: 1 };

const wallTime = (moment: number) => new Date(1_700_000_000_000 + moment);

/** Records the events of a subscriber of all events. */
function record(events: HeartbeatEvents) {
  const all: HeartbeatEvent[] = [];
  const subscription = events.stream.subscribe(event => all.push(event));
  return { all, subscription };
}

describe('HeartbeatEvents', () => {
  it('publishes each event once, at once, to all current subscribers', () => {
    const events = new HeartbeatEvents();
    const early = record(events);
    events.announce(drift);
    const late = record(events);
    events.announce(drift);
    expect([early.all.map(unstamped), late.all.map(unstamped)]).toEqual([[drift, drift], [drift]]);
  });

  it('publishes nothing to an ended subscription, and needs no subscriber', () => {
    const events = new HeartbeatEvents();
    const { all, subscription } = record(events);
    subscription.unsubscribe();
    expect(() => events.announce(drift)).not.toThrow();
    expect(all).toEqual([]);
  });

  it('publishes by type, in the order of the announcements, and knows the types without a subscriber', () => {
    const events = new HeartbeatEvents();
    const some: EventPayload[] = [];
    const subscription = events.ofType('drift', 'unbanned').subscribe(event => some.push(unstamped(event)));
    const wanted = () => (['ping', 'drift', 'unbanned'] as const).map(type => events.isWanted(type));
    expect(wanted()).toEqual([false, true, true]);
    const whole = record(events);
    expect(wanted()).toEqual([true, true, true]);
    for (const event of [unbanned, ping, drift]) events.announce(event);
    expect([some, whole.all.map(unstamped)]).toEqual([
      [unbanned, drift],
      [unbanned, ping, drift],
    ]);
    for (const one of [subscription, whole.subscription]) one.unsubscribe();
    expect(wanted()).toEqual([false, false, false]);
  });

  it('publishes an event once for a type that is given twice', () => {
    const events = new HeartbeatEvents();
    const seen: EventPayload[] = [];
    events.ofType('drift', 'drift').subscribe(event => seen.push(unstamped(event)));
    events.announce(drift);
    expect(seen).toEqual([drift]);
  });

  it('publishes the cause before the effect to subscribers of all events, where a subscriber by type has the effect', () => {
    const events = new HeartbeatEvents();
    events.ofType('drift').subscribe(() => events.announce(unbanned));
    const { all } = record(events);
    events.announce(drift);
    expect(all.map(({ type }) => type)).toEqual(['drift', 'unbanned']);
  });

  it('returns streams that cannot publish', () => {
    const events = new HeartbeatEvents();
    for (const stream of [events.stream, events.ofType('drift'), events.ofType('drift', 'closed')]) {
      expect('next' in stream).toBe(false);
    }
  });
});

describe('The stamp of an event', () => {
  it('is its number and the wall time of its publication, the same for all subscribers', () => {
    let now = 1000.5;
    const events = new HeartbeatEvents({ now: () => now, wallTime });
    const { all } = record(events);
    const drifts: HeartbeatEvent[] = [];
    events.ofType('drift').subscribe(event => drifts.push(event));
    events.announce(drift);
    now = 2000;
    events.announce(ping);
    expect(all).toEqual([
      { ...drift, seq: 1, at: 1_700_000_001_000 },
      { ...ping, seq: 2, at: 1_700_000_002_000 },
    ]);
    expect(drifts[0]).toBe(all[0]);
  });

  it('follows a step of the wall clock within a second', () => {
    let [now, epoch] = [0, 5000];
    const events = new HeartbeatEvents({ now: () => now, wallTime: moment => new Date(epoch + moment) });
    const { all } = record(events);
    events.announce(drift);
    epoch += 3_600_000;
    now = 1000;
    events.announce(drift);
    expect(all.map(({ at }) => at)).toEqual([5000, 3_606_000]);
  });

  it('counts published events only: neither number nor clock is used without a subscriber', () => {
    let readings = 0;
    const events = new HeartbeatEvents({ now: () => ++readings, wallTime });
    events.ofType('unbanned').subscribe(() => undefined);
    for (let i = 0; i < 5; i++) events.announce(drift);
    expect(readings).toBe(0);
    const { all } = record(events);
    for (const event of [drift, unbanned, drift]) events.announce(event);
    expect(all.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('gives subscribers of some types gaps, and subscribers of all events none', () => {
    const events = new HeartbeatEvents();
    const { all } = record(events);
    const bans: number[] = [];
    events.ofType('unbanned').subscribe(({ seq }) => bans.push(seq));
    for (const event of [drift, unbanned, ping, unbanned]) events.announce(event);
    expect([all.map(({ seq }) => seq), bans]).toEqual([
      [1, 2, 3, 4],
      [2, 4],
    ]);
  });

  it('has a mark between all events so far, published or not, and later ones', () => {
    const events = new HeartbeatEvents();
    events.ofType('drift').subscribe(() => undefined);
    events.announce(drift);
    const first = events.mark();
    events.announce(unbanned);
    const second = events.mark();
    events.announce(drift);
    expect([first, second, events.lastSeq]).toEqual([2, 3, 4]);
  });

  it('has no mark of its own where subscribers of all events count the numbers', () => {
    const events = new HeartbeatEvents();
    const { all } = record(events);
    events.announce(drift);
    expect(events.mark()).toBe(1);
    events.announce(drift);
    expect(all.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('numbers a cause before its effect', () => {
    const events = new HeartbeatEvents();
    events.stream.subscribe(({ type }) => type === 'drift' && events.announce(unbanned));
    const { all } = record(events);
    events.announce(drift);
    expect(all.toSorted((one, other) => one.seq - other.seq).map(({ type }) => type)).toEqual(['drift', 'unbanned']);
  });
});
