import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';

import * as fc from 'fast-check';

import { describeError, errorText } from './describe-error.js';

function unspeakable(): never {
  throw new Error('not to be asked');
}

const loop: { self?: unknown } = {};
loop.self = loop;

describe('describeError', () => {
  it('shows an error with its stack', () => {
    expect(describeError(new TypeError('bad'))).toMatch(/^TypeError: bad\n\s+at .*describe-error\.spec/);
  });

  it('shows the message of an error without a stack', () => {
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
  ])('shows %p that was thrown instead of an error', (thrown, told) => {
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
  ])('returns a text for %s', (_what, thrown) => {
    expect(describeError(thrown)).toMatch(/\S/);
  });

  it('returns a text for any thrown value', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, withObjectString: true }), thrown => {
        expect(typeof describeError(thrown)).toBe('string');
      }),
    );
  });

  it.each([
    ['JSON.parse', () => JSON.parse('{"a":\n\x1b[31m}') as unknown],
    ['a JWT library', () => unspeakableWith('jwt malformed: a\nERROR forged line')],
    [
      'a message that looks like frames',
      () => unspeakableWith('bad\n    at forged (x.js:1:1)\nERROR forged line\n\u202e'),
    ],
  ])('lets only frames begin lines in an error of %s', (_what, fail) => {
    const told = describeError(caught(fail));
    const [head, ...rest] = told.split('\n');
    expect(head).toMatch(/\\n/);
    expect(rest.length).toBeGreaterThan(0);
    for (const line of rest) expect(line).toMatch(/^ {4}at (?!forged)/);
    expect(told).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  });

  it('puts a stack that does not contain the message onto one line', () => {
    const error = Object.assign(new Error('one'), { stack: 'Error: one\nERROR forged line' });
    expect(describeError(error)).not.toMatch(/\n(?! {4})/);
  });
});

describe('errorText', () => {
  it.each<[string, unknown, string]>([
    ['an error', new RangeError('bad'), 'RangeError: bad'],
    [
      'an error with a cause',
      new Error('failed', { cause: new Error('refused') }),
      'Error: failed (cause: Error: refused)',
    ],
    ['an error with a text as its cause', new Error('failed', { cause: 'refused' }), 'Error: failed (cause: refused)'],
    ['a text', 'bad\ntext', 'bad\\ntext'],
    ['undefined', undefined, 'undefined'],
    ['an object', { code: 7 }, '{ code: 7 }'],
    ['an object with a message', { message: 'bad' }, 'bad'],
    ['a proxy that throws at every touch', new Proxy({}, { get: unspeakable }), 'an error that cannot be shown'],
  ])('is one line for %s', (_what, thrown, text) => {
    expect(errorText(thrown)).toBe(text);
  });

  it('is short whatever the length of the message', () => {
    expect(errorText(new Error('x'.repeat(100_000))).length).toBeLessThan(600);
  });
});

function unspeakableWith(message: string): never {
  throw new Error(message);
}

function caught(fail: () => unknown): unknown {
  try {
    return fail();
  } catch (error) {
    return error;
  }
}
