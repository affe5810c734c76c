import { describe, expect, it } from '@jest/globals';

import { describeProblem, HeartbeatError } from './heartbeat.error.js';

describe('HeartbeatError', () => {
  it('is an Error with a stable code, and no problems unless it is given some', () => {
    const error = new HeartbeatError('HEARTBEAT_BAD_CLOSE', 'close code 1006 cannot be sent');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'HeartbeatError',
      code: 'HEARTBEAT_BAD_CLOSE',
      message: 'close code 1006 cannot be sent',
      problems: [],
    });
  });
});

const told = (value: unknown) => describeProblem({ key: 'a.b', value, rule: 'must be c', remedy: 'do d' });

describe('describeProblem', () => {
  it.each<[string, unknown, string]>([
    ['a number', 30_000, '30000'],
    ['a text', 'x', '"x"'],
    ['a text of two lines on one', 'x\ny', '"x\\ny"'],
    ['null', null, 'null'],
    ['nothing', undefined, 'undefined'],
    ['a list', [7], '7'],
    ['a function', () => 1, 'a function'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a bigint', 5n, '5'],
    ['not a number', Number.NaN, 'NaN'],
    ['a number without end', Number.POSITIVE_INFINITY, 'Infinity'],
  ])('shows %s', (_what, value, shown) => {
    expect(told(value)).toMatch(new RegExp(`^a\\.b is .* but must be c: do d$`));
    expect(told(value)).toContain(shown);
  });

  it('cuts a long value', () => {
    expect(told('x'.repeat(500)).length).toBeLessThan(130);
  });

  it('survives an object that holds itself', () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    expect(() => told(loop)).not.toThrow();
  });
});
