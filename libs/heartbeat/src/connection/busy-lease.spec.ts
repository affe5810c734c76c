import { describe, expect, it } from '@jest/globals';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { assertBusy, type BusyLimits, finishedLease, Leases } from './busy-lease.js';

describe('Leases', () => {
  it('counts each lease until it is done, once', () => {
    const leases = new Leases();
    const [first, second] = [leases.take('a call', {}, 0), leases.take('an upload', {}, 0)];
    expect([leases.count(1e9), leases.first(0), first.what]).toEqual([2, 'a call', 'a call']);
    first.done();
    first.done();
    expect([leases.count(0), leases.first(0)]).toEqual([1, 'an upload']);
    second.done();
    expect([leases.count(0), leases.first(0)]).toEqual([0, undefined]);
  });

  it('ends a lease after its time, and not another one that is done later', () => {
    const leases = new Leases();
    const short = leases.take('short', { atMostMs: 100 }, 1000);
    const long = leases.take('long', { atMostMs: 500 }, 1000);
    expect([1099, 1100, 1499].map(now => leases.count(now))).toEqual([2, 1, 1]);
    short.done();
    expect(leases.count(1499)).toBe(1);
    expect(leases.count(1500)).toBe(0);
    long.done();
    expect(leases.count(1500)).toBe(0);
  });

  it('keeps no lease whose time is over, where the application takes many', () => {
    const leases = new Leases();
    for (let now = 0; now < 1000; now++) leases.take('each', { atMostMs: 10 }, now);
    expect(leases.count(999)).toBe(10);
  });

  it('receives while a lease that does is in force', () => {
    const leases = new Leases();
    expect(leases.receive(0)).toBe(false);
    leases.take('answer', { receive: false }, 0);
    expect(leases.receive(0)).toBe(false);
    const call = leases.take('call', { atMostMs: 50 }, 0);
    expect([leases.receive(49), leases.receive(50)]).toEqual([true, false]);
    call.done();
    expect(leases.receive(0)).toBe(false);
  });

  it('is done at the end of its scope', () => {
    const leases = new Leases();
    leases.take('a call', {}, 0)[Symbol.dispose]();
    expect(leases.count(0)).toBe(0);
  });
});

describe('finishedLease', () => {
  it('has the name of the work, and no effect', () => {
    const lease = finishedLease('late');
    lease.done();
    expect(lease.what).toBe('late');
  });
});

describe('assertBusy', () => {
  it.each<[string, unknown, unknown, string]>([
    ['no name', undefined, {}, 'what is undefined but must be a text that is not empty'],
    ['an empty name', '', {}, 'what is ""'],
    ['a name that is no text', 7, {}, 'what is 7'],
    ['limits that are none', 'a', 1000, 'limits is 1000 but must be { atMostMs?, receive? }'],
    ['null', 'a', null, 'limits is null'],
    ['a time that is no number', 'a', { atMostMs: '5s' }, 'atMostMs is "5s"'],
    ['NaN', 'a', { atMostMs: Number.NaN }, 'atMostMs is NaN'],
    ['a misspelled limit', 'a', { atMost: 5 }, 'must be { atMostMs?, receive? }: correct atMost'],
    ['a list', 'a', [], 'must be { atMostMs?, receive? }: leave it out'],
    ['a negative time', 'a', { atMostMs: -1 }, 'atMostMs is -1 but must be a number of milliseconds from 0'],
    ['a switch that is none', 'a', { receive: 'no' }, 'receive is "no" but must be true or false'],
  ])('refuses %s', (_what, what, limits, problem) => {
    let thrown: unknown;
    try {
      assertBusy(what, limits);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HeartbeatError);
    expect(thrown).toMatchObject({ code: 'HEARTBEAT_BAD_BUSY', message: expect.stringContaining(problem) });
  });

  it('lists every problem', () => {
    expect(() => assertBusy('', { atMostMs: -1, receive: 0 })).toThrow(
      expect.objectContaining({
        problems: [{ key: 'what' }, { key: 'atMostMs' }, { key: 'receive' }].map(one => expect.objectContaining(one)),
      }),
    );
  });

  it.each<BusyLimits>([{}, { atMostMs: 0 }, { atMostMs: 1.5, receive: false }, { atMostMs: Infinity }])(
    'accepts %p',
    limits => {
      expect(() => assertBusy('a', limits)).not.toThrow();
    },
  );
});
