import { describe, expect, it, jest } from '@jest/globals';
import { getMaxListeners } from 'node:events';

import { Observable, Subject } from 'rxjs';

import { DEFAULTS } from '../options/heartbeat.options.js';
import { type DisposerResults, guarded, Lifetime } from './lifetime.js';

const reason = new Error('the end');

/** A lifetime, and the failures that its end reports. */
function lifetimeWithReports() {
  const failures: [string, unknown][] = [];
  const pendings: Promise<void>[] = [];
  const lifetime = new Lifetime();
  const results: DisposerResults = {
    failed: (what, error) => void failures.push([what, error]),
    pending: promise => void pendings.push(promise),
  };
  return { lifetime, failures, pendings, end: () => lifetime.end(reason, results) };
}

/** Waits until the callbacks of all settled promises have run. */
const turn = () => new Promise(resolve => setImmediate(resolve));

describe('Lifetime', () => {
  it('runs the disposers once, the last deferred first', () => {
    const { lifetime, end } = lifetimeWithReports();
    const ran: string[] = [];
    for (const name of ['a', 'b', 'c']) lifetime.defer(() => ran.push(name));
    expect(lifetime.disposers).toBe(3);
    end();
    end();
    expect(ran).toEqual(['c', 'b', 'a']);
    expect(lifetime.disposers).toBe(0);
  });

  it('ends the streams, runs the disposers, then fires the signal with the reason', () => {
    const { lifetime, end } = lifetimeWithReports();
    const order: string[] = [];
    lifetime.signal.addEventListener('abort', () => order.push('signal'));
    lifetime.defer(() => order.push('disposer'));
    lifetime.hold(new Observable(() => () => order.push('stream')).subscribe());
    expect(lifetime.signal.aborted).toBe(false);
    end();
    expect(order).toEqual(['stream', 'disposer', 'signal']);
    expect(lifetime.signal.reason).toBe(reason);
  });

  it('allows each handler in flight a listener of its signal, without a warning of a leak', () => {
    expect(getMaxListeners(new Lifetime().signal)).toBeGreaterThan(DEFAULTS.limits.maxInFlight);
  });

  it('releases a stream that completes by itself', () => {
    const { lifetime, end } = lifetimeWithReports();
    const subject = new Subject<number>();
    const teardown = jest.fn();
    const stream = subject.subscribe();
    stream.add(teardown);
    lifetime.hold(stream);
    subject.complete();
    expect(teardown).toHaveBeenCalledTimes(1);
    end();
    expect(teardown).toHaveBeenCalledTimes(1);
  });

  it('runs the rest where a disposer throws or rejects, and reports each failure', async () => {
    const { lifetime, failures, pendings, end } = lifetimeWithReports();
    const ran: string[] = [];
    const errors = [new Error('thrown'), new Error('rejected')];
    lifetime.defer(() => ran.push('first'));
    lifetime.defer(() => {
      throw errors[0];
    });
    lifetime.defer(() => Promise.reject(errors[1]));
    lifetime.defer(() => ran.push('last'));
    end();
    await turn();
    expect(ran).toEqual(['last', 'first']);
    // The promise of the one that rejects, whose end a drain awaits.
    expect(await Promise.all(pendings)).toEqual([undefined]);
    expect(failures).toEqual(errors.map(error => ['a disposer', error]));
    expect(lifetime.signal.aborted).toBe(true);
  });

  it('aborts the signal of a drain before or after it is requested, and has a new one after the drain was aborted', () => {
    const { lifetime } = lifetimeWithReports();
    const { draining } = lifetime;
    expect([lifetime.draining === draining, draining.aborted]).toEqual([true, false]);
    lifetime.reached();
    expect([draining.aborted, lifetime.draining.aborted]).toEqual([true, true]);
    expect(draining.reason).toMatchObject({ code: 'HEARTBEAT_DRAINING' });
    lifetime.resumed();
    expect([lifetime.draining === draining, lifetime.draining.aborted]).toEqual([false, false]);
    const late = new Lifetime();
    late.reached();
    expect(late.draining.aborted).toBe(true);
  });

  it('runs the disposers where the end of a stream throws', () => {
    const { lifetime, failures, end } = lifetimeWithReports();
    const disposer = jest.fn();
    lifetime.defer(disposer);
    const failing = new Observable(() => () => {
      throw new Error('teardown');
    });
    lifetime.hold(failing.subscribe());
    end();
    expect(disposer).toHaveBeenCalledTimes(1);
    expect(failures).toEqual([['the end of a stream of answers', expect.any(Error)]]);
  });
});

/** A value that a handler of the app may return. */
// oxlint-disable-next-line unicorn/no-thenable -- foreign promises are what is tested
const thenable = (then: PropertyDescriptor): unknown => Object.defineProperty({}, 'then', then);

function bad(): never {
  throw 'bad';
}

describe('guarded', () => {
  it.each<[string, () => unknown]>([
    ['throws', bad],
    ['rejects', () => Promise.reject('bad')],
    [
      'returns a thenable that rejects',
      () => thenable({ value: (_: unknown, reject: (error: string) => void) => reject('bad') }),
    ],
    ['returns a thenable that throws', () => thenable({ value: bad })],
    ['returns an object whose then cannot be read', () => thenable({ get: bad })],
  ])('reports work that %s, and does not throw', async (_what, work) => {
    const failed = jest.fn();
    guarded(work, 'the work', failed);
    await turn();
    expect(failed.mock.calls).toEqual([['the work', 'bad']]);
  });

  it.each<[string, () => unknown]>([
    ['returns undefined', () => undefined],
    ['returns null', () => null],
    ['returns a value', () => 5],
    ['resolves', () => Promise.resolve(5)],
  ])('reports nothing of work that %s', async (_what, work) => {
    const failed = jest.fn();
    guarded(work, 'the work', failed);
    await turn();
    expect(failed).not.toHaveBeenCalled();
  });
});
