import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  bufferCount,
  concatMap,
  debounceTime,
  delay,
  filter,
  map,
  mergeMap,
  type Observable,
  of,
  share,
  Subject,
  tap,
  throwError,
} from 'rxjs';

import { type HeartbeatEvent, HeartbeatEvents } from './heartbeat.events.js';

function fail(): never {
  throw new Error('subscriber');
}

/** A subscriber whose type has no return value. */
const rejecting: () => unknown = async () => fail();

/** Longer than the timers of RxJS and of the tables. */
const settled = async () => {
  for (let timer = 0; timer < 5; timer++) await new Promise(resolve => setTimeout(resolve, 1));
};

type Subscribe = (stream: Observable<HeartbeatEvent>) => unknown;

/** The failures of a subscriber. RxJS reports each of them in a timer, as an uncaught exception. */
const SUBSCRIBERS: [string, Subscribe][] = [
  ['a function that throws', stream => stream.subscribe(fail)],
  ['an observer that throws', stream => stream.subscribe({ next: fail })],
  ['an observer that rejects', stream => stream.subscribe({ next: rejecting })],
  ['a function that rejects', stream => stream.subscribe(rejecting)],
  [
    'a function that throws a value that cannot be shown',
    stream =>
      stream.subscribe(() => {
        throw Object.create(null);
      }),
  ],
  ['a map that throws', stream => stream.pipe(map(fail)).subscribe()],
  ['a map that throws, and a subscriber without an error handler', stream => stream.pipe(map(fail)).subscribe(() => 1)],
  [
    'a filter that throws, after other operators',
    stream =>
      stream
        .pipe(
          map(event => event),
          tap(),
          filter(fail),
        )
        .subscribe(),
  ],
  ['an error handler that throws', stream => stream.pipe(map(fail)).subscribe({ error: fail })],
  ['an inner stream that fails', stream => stream.pipe(mergeMap(() => throwError(fail))).subscribe()],
  ['an inner promise that rejects', stream => stream.pipe(concatMap(async () => fail())).subscribe()],
  ['a subscriber of a shared stream', stream => stream.pipe(share()).subscribe(fail)],
  ['a subscriber after a delay', stream => stream.pipe(delay(1)).subscribe(fail)],
  ['a map after a delay', stream => stream.pipe(debounceTime(1), map(fail)).subscribe()],
  ['a subscriber of a buffer', stream => stream.pipe(bufferCount(1)).subscribe(fail)],
  ['a subscriber of an inner stream', stream => stream.pipe(mergeMap(() => of(1, 2).pipe(delay(1)))).subscribe(fail)],
];

describe('HeartbeatEvents, with a subscriber that fails', () => {
  let events: HeartbeatEvents;
  let failures: [string | null, unknown][];
  let uncaught: unknown[];
  const onUncaught = (error: unknown) => void uncaught.push(error);

  beforeEach(() => {
    events = new HeartbeatEvents();
    failures = [];
    uncaught = [];
    events.subscriberFailed = (event, error) => failures.push([event, error]);
    process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught);
  });
  afterEach(() => void process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught));

  it.each(
    SUBSCRIBERS.flatMap(([what, subscribe]): [string, string, (all: HeartbeatEvents) => unknown][] => [
      [what, 'stream', all => subscribe(all.stream)],
      [what, 'ofType', all => subscribe(all.ofType('unbanned'))],
      [what, 'ofType of several', all => subscribe(all.ofType('banned', 'unbanned'))],
    ]),
  )('reports %s of %s; other subscribers and the process continue', async (_what, _of, subscribe) => {
    const seen: string[] = [];
    events.stream.subscribe(({ type }) => seen.push(`before: ${type}`));
    subscribe(events);
    events.stream.subscribe(({ type }) => seen.push(`after: ${type}`));
    events.ofType('unbanned').subscribe(({ type }) => seen.push(`of its type: ${type}`));
    expect(() => events.announce({ type: 'unbanned', id: 'x', forMs: 1 })).not.toThrow();
    await settled();
    expect(seen.toSorted()).toEqual(['after: unbanned', 'before: unbanned', 'of its type: unbanned']);
    expect(failures.length).toBeGreaterThanOrEqual(1);
    expect(uncaught).toEqual([]);
  });

  it('names the event, also of one that is published within another', () => {
    events.ofType('banned').subscribe(() => {
      events.announce({ type: 'unbanned', id: 'x', forMs: 1 });
      fail();
    });
    events.ofType('unbanned').subscribe(fail);
    const ban = { id: 'x', kind: 'user', value: 'ann', reason: 'spam', forMs: 1 } as const;
    events.announce({ type: 'banned', ban });
    expect(failures.map(([event]) => event)).toEqual(['unbanned', 'banned']);
  });

  it('leaves errors to a subscriber that handles them', async () => {
    const errors: unknown[] = [];
    const error = new Error('mine');
    events.stream.pipe(mergeMap(() => throwError(() => error))).subscribe({ error: cause => errors.push(cause) });
    events.announce({ type: 'unbanned', id: 'x', forMs: 1 });
    await settled();
    expect([errors, failures]).toEqual([[error], []]);
  });

  it('passes events to a subject, and ends a subscription as RxJS does', () => {
    const subject = new Subject<HeartbeatEvent>();
    const seen: string[] = [];
    subject.subscribe(({ type }) => seen.push(type));
    const subscription = events.stream.subscribe(subject);
    events.announce({ type: 'unbanned', id: 'x', forMs: 1 });
    subscription.unsubscribe();
    events.announce({ type: 'unbanned', id: 'x', forMs: 1 });
    expect([seen, events.isWanted('unbanned')]).toEqual([['unbanned'], false]);
  });
});
