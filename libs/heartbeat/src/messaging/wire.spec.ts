import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { decode, encode, MAX_MESSAGE_BYTES } from './wire.js';

describe('a message', () => {
  it('is read as it was sent', () => {
    const body = { filter: { user: 'u' }, text: '{"event":"x"}' };
    expect(decode(encode('deliver', 'a-1', body))).toEqual({ kind: 'deliver', from: 'a-1', ...body });
  });

  it('has the form that every version reads', () => {
    expect(encode('bans', 'a-1', {})).toBe('{"version":1,"message":{"kind":"bans","from":"a-1"}}');
  });

  it.each<[string, string]>([
    ['an empty text', ''],
    ['no JSON', 'hello'],
    ['no object', '[1]'],
    ['no message', '{}'],
    ['another version', '{"version":2,"message":{"kind":"bans","from":"a-1"}}'],
    ['no version', '{"message":{"kind":"bans","from":"a-1"}}'],
    ['no sender', '{"version":1,"message":{"kind":"bans"}}'],
    ['JSON that is nested too deeply', '['.repeat(100_000)],
    ['a text that is too long', encode('deliver', 'a-1', { text: 'x'.repeat(MAX_MESSAGE_BYTES) })],
  ])('is rejected where it is %s', (_, text) => {
    expect(decode(text)).toBeNull();
  });

  it('is rejected where it is any other text', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), text => expect(decode(text)).toBeNull()));
  });
});
