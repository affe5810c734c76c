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

  it('spares whoever asks for no more what comes with every heartbeat, and those who make it', () => {
    const events = new HeartbeatEvents();
    const [seldom, all]: HeartbeatEvent[][] = [[], []];
    events.seldom.subscribe(event => seldom!.push(event));
    expect(events.observed).toBe(false);
    events.stream.subscribe(event => all!.push(event));
    const ping: HeartbeatEvent = { type: 'ping', id: 'a' };
    for (const event of [ping, drift]) events.announce(event);
    expect([seldom, all]).toEqual([[drift], [ping, drift]]);
  });

  it('lets nobody but its owner announce', () => {
    expect('next' in new HeartbeatEvents().stream).toBe(false);
  });
});
