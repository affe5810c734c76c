import { describe, expect, it } from '@jest/globals';

import { type HeartbeatEvent, HeartbeatEvents } from './heartbeat.events.js';

const drift: HeartbeatEvent = { type: 'drift', kind: 'index', count: 1 };

describe('HeartbeatEvents', () => {
  it('tells each event once, at once, to everybody who listens then', () => {
    const events = new HeartbeatEvents();
    const [early, late]: HeartbeatEvent[][] = [[], []];
    events.stream.subscribe(event => early!.push(event));
    events.announce(drift);
    events.stream.subscribe(event => late!.push(event));
    events.announce(drift);
    expect([early, late]).toEqual([[drift, drift], [drift]]);
  });

  it('tells nothing any more to who has stopped listening, and goes on where nobody listens', () => {
    const events = new HeartbeatEvents();
    const heard: HeartbeatEvent[] = [];
    const subscription = events.stream.subscribe(event => heard.push(event));
    subscription.unsubscribe();
    expect(() => events.announce(drift)).not.toThrow();
    expect(heard).toEqual([]);
  });

  it('tells by type to whoever asks for no more, in the order of what happens, and knows what nobody wants', () => {
    const events = new HeartbeatEvents();
    const [some, all]: HeartbeatEvent[][] = [[], []];
    const subscription = events.ofType('drift', 'unbanned').subscribe(event => some!.push(event));
    const wanted = () => (['ping', 'drift', 'unbanned'] as const).map(type => events.isWanted(type));
    expect(wanted()).toEqual([false, true, true]);
    const whole = events.stream.subscribe(event => all!.push(event));
    expect(wanted()).toEqual([true, true, true]);
    const ping: HeartbeatEvent = { type: 'ping', id: 'a' };
    const unbanned: HeartbeatEvent = { type: 'unbanned', id: 'b', forMs: 1 };
    for (const event of [unbanned, ping, drift]) events.announce(event);
    expect([some, all]).toEqual([
      [unbanned, drift],
      [unbanned, ping, drift],
    ]);
    for (const one of [subscription, whole]) one.unsubscribe();
    expect(wanted()).toEqual([false, false, false]);
  });

  it('tells a type once that is named twice', () => {
    const events = new HeartbeatEvents();
    const heard: HeartbeatEvent[] = [];
    events.ofType('drift', 'drift').subscribe(event => heard.push(event));
    events.announce(drift);
    expect(heard).toEqual([drift]);
  });

  it('tells who listens to all the cause before the effect, where somebody who listens by type makes one', () => {
    const events = new HeartbeatEvents();
    const heard: string[] = [];
    events.ofType('drift').subscribe(() => events.announce({ type: 'unbanned', id: 'b', forMs: 1 }));
    events.stream.subscribe(({ type }) => heard.push(type));
    events.announce(drift);
    expect(heard).toEqual(['drift', 'unbanned']);
  });

  it('lets nobody but its owner announce', () => {
    const events = new HeartbeatEvents();
    for (const told of [events.stream, events.ofType('drift'), events.ofType('drift', 'closed')]) {
      expect('next' in told).toBe(false);
    }
  });
});
