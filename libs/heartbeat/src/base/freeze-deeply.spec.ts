import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { freezeDeeply, isPlainObject } from './freeze-deeply.js';

describe('freezeDeeply', () => {
  it('freezes objects and arrays at every depth', () => {
    const value = { a: { b: [{ c: 1 }, [2]] } };
    expect(freezeDeeply(value)).toBe(value);
    for (const part of [value, value.a, value.a.b, value.a.b[0], value.a.b[1]])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it('leaves instances of classes and functions as they are', () => {
    class Registry {
      readonly metrics: string[] = [];
    }
    const [registry, date] = [new Registry(), new Date(0)];
    const authenticate = Object.assign(() => null, { calls: 0 });
    freezeDeeply({ registry, date, authenticate });
    expect([registry, registry.metrics, date, authenticate].map(part => Object.isFrozen(part))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it.each([[null], [undefined], [0], ['text'], [true]])('returns %j as it is', value => {
    expect(freezeDeeply(value)).toBe(value);
  });

  it('changes no value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const before = JSON.stringify(value);
        expect(JSON.stringify(freezeDeeply(value))).toBe(before);
      }),
    );
  });
});

describe('isPlainObject', () => {
  it.each<[unknown, boolean]>([
    [{}, true],
    [[], false],
    [null, false],
    [undefined, false],
    ['text', false],
    [() => ({}), false],
    [new Date(0), false],
    [new Map(), false],
    [Object.create({}), false],
  ])('%# is recognised', (value, isPlain) => {
    expect(isPlainObject(value)).toBe(isPlain);
  });
});
