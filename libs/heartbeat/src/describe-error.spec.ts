import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';

import * as fc from 'fast-check';

import { describeError } from './describe-error.js';

function unspeakable(): never {
  throw new Error('not to be asked');
}

const loop: { self?: unknown } = {};
loop.self = loop;

describe('describeError', () => {
  it('tells an error with the place that it came from', () => {
    expect(describeError(new TypeError('bad'))).toMatch(/^TypeError: bad\n\s+at .*describe-error\.spec/);
  });

  it('tells an error without a stack by its message', () => {
    const error = new Error('bad');
    Reflect.deleteProperty(error, 'stack');
    expect(describeError(Object.assign(error, { stack: undefined }))).toContain('bad');
  });

  it.each<[unknown, string]>([
    ['text', 'text'],
    [5n, '5n'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('s'), 'Symbol(s)'],
    [{ code: 7 }, 'code: 7'],
    [loop, 'Circular'],
  ])('tells %p that was thrown in the place of an error', (thrown, told) => {
    expect(describeError(thrown)).toContain(told);
  });

  it.each<[string, unknown]>([
    ['an object without a prototype', Object.create(null)],
    ['an object whose text is none', { toString: 0 }],
    ['an object whose text throws', { toString: unspeakable }],
    ['an object that throws when it is looked at', { [inspect.custom]: unspeakable }],
    ['an error whose stack throws', Object.defineProperty(new Error('bad'), 'stack', { get: unspeakable })],
    ['an error whose stack is no text', Object.defineProperty(new Error('bad'), 'stack', { value: Symbol('stack') })],
    ['a proxy that throws at every touch', new Proxy({}, { getPrototypeOf: unspeakable, get: unspeakable })],
  ])('finds words for %s', (_what, thrown) => {
    expect(describeError(thrown)).toMatch(/\S/);
  });

  it('finds words for whatever is thrown', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, withObjectString: true }), thrown => {
        expect(typeof describeError(thrown)).toBe('string');
      }),
    );
  });
});
