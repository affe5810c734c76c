import { describe, expect, it } from '@jest/globals';

import { decodeBan } from '../cluster/shared-bans.js';
import { decodeLease, encodeLease } from './cluster-node.js';

const node = {
  name: 'n',
  address: 'a',
  version: '1',
  state: 'up',
  connections: 1,
  load: 0.5,
  intervalMs: 25_000,
} as const;

describe('an entry in Redis', () => {
  it('is read, also where a newer version adds members', () => {
    expect(decodeLease(JSON.stringify({ ...node, more: 1 }))).toEqual(node);
    expect(decodeLease(encodeLease(node))).toEqual({ ...node, givesKeys: true });
    expect(decodeBan('{"kind":"user","value":"u","reason":"r"}')).toEqual({ kind: 'user', value: 'u', reason: 'r' });
  });

  it.each(['', '{', 'null', '[]', '{"kind":"all","value":"u","reason":"r"}', JSON.stringify({ ...node, state: 'x' })])(
    'is rejected where it is %p',
    text => {
      expect([decodeLease(text), decodeBan(text)]).toEqual([null, null]);
    },
  );
});
