import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import {
  type ClusterMessage,
  clusterPosition,
  decode,
  decodeBan,
  decodeSummary,
  encode,
  MAX_MESSAGE_BYTES,
  OPERATIONS,
} from './wire.js';

const messages: ClusterMessage[] = [
  { kind: 'request', from: 'a-1', id: 'r1', operation: 'kick', body: { id: 'b-2.00000001', kick: {} } },
  { kind: 'reply', from: 'b-2', id: 'r1', isFailed: false, body: 'closing' },
  { kind: 'deliver', from: 'a-1', filter: { user: 'u', labels: { team: 'red' } }, text: '{"event":"x"}' },
  { kind: 'deliver', from: 'a-1', filter: {}, bytes: 'AAEC' },
  { kind: 'replace', from: 'a-1', userId: 'u', serial: 7 },
  { kind: 'bans', from: 'a-1' },
  { kind: 'left', from: 'a-1' },
];
const told = (message: unknown, version: unknown = 1) => JSON.stringify({ version, message });

describe('a message', () => {
  it.each(messages)('is understood as it was said: %j', message => {
    expect(decode(encode(message))).toEqual(message);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['no object', '[1]'],
    ['no message', '{}'],
    ['another version', told(messages[5], 2)],
    ['no version', JSON.stringify({ message: messages[5] })],
    ['an unknown kind', told({ kind: 'shutdown', from: 'a-1' })],
    ['nobody who says it', told({ kind: 'bans' })],
    ['an unknown operation', told({ ...messages[0], operation: 'exec' })],
    [
      'a filter with a key that nobody knows, which would select too much',
      told({ ...messages[2], filter: { users: 'u' } }),
    ],
    ['bytes that are none', told({ ...messages[3], bytes: '???' })],
    ['a serial that is none', told({ ...messages[4], serial: -1 })],
    ['JSON that is nested without end', '['.repeat(100_000)],
    ['one that is too long', told({ ...messages[2], text: 'x'.repeat(MAX_MESSAGE_BYTES) })],
  ])('that is %s is none of ours', (_, text) => {
    expect(decode(text)).toBeNull();
  });

  it('may be anything at all, and nothing comes of it', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), text => expect(decode(text)).toBeNull()));
  });
});

describe('what is asked and answered', () => {
  const filter = {
    user: 'u',
    ip: '10.0.0.0/8',
    path: '/ws',
    node: 'n',
    state: 'open',
    minIdleMs: 1,
    labels: { a: 'b' },
  };
  it.each<[string, boolean]>([
    ['{}', true],
    [JSON.stringify(filter), true],
    ['{"minIdle":1}', false],
    ['{"state":"gone"}', false],
    ['{"labels":{"a":1}}', false],
  ])('a kick of all that match %s: %p', (text, isGood) => {
    const body = { filter: JSON.parse(text) as unknown, kick: { reason: 'x' } };
    expect(OPERATIONS['kick-all'].request.safeParse(body).success).toBe(isGood);
  });

  it('is never more than a page', () => {
    const body = { filter: {}, sort: 'openedAt', order: 'asc', limit: 501, after: null };
    expect(OPERATIONS.list.request.safeParse(body).success).toBe(false);
    expect(OPERATIONS.list.request.safeParse({ ...body, limit: 500 }).success).toBe(true);
  });

  it.each<[unknown, boolean]>([
    [{ at: null, behind: [] }, true],
    [
      {
        at: { key: null, id: 'a.1' },
        behind: [
          ['b', null],
          ['c', { key: 1.5, id: 'c.1' }],
        ],
      },
      true,
    ],
    [{ at: null, behind: [['b']] }, false],
    [{ at: { key: 'x', id: 'a.1' }, behind: [] }, false],
  ])('takes the position %j: %p', (given, isGood) => {
    expect(clusterPosition.safeParse(given).success).toBe(isGood);
  });
});

describe('what Redis keeps', () => {
  const summary = { name: 'n', address: 'a', version: '1', state: 'up', connections: 1, load: 0.5, intervalMs: 25_000 };
  it('is read, also where a newer version says more', () => {
    expect(decodeSummary(JSON.stringify({ ...summary, more: 1 }))).toEqual(summary);
    expect(decodeBan('{"kind":"user","value":"u","reason":"r"}')).toEqual({ kind: 'user', value: 'u', reason: 'r' });
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"kind":"all","value":"u","reason":"r"}',
    JSON.stringify({ ...summary, state: 'x' }),
  ])('is nothing where it is %p', text => {
    expect([decodeSummary(text), decodeBan(text)]).toEqual([null, null]);
  });
});
