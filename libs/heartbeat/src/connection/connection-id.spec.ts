import { describe, expect, it } from '@jest/globals';

import { nodeNameOf } from '../options/cluster.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { connectionId, nodeIdOf, serialOf } from './connection-id.js';

/** Accepted names, including some that resemble a part of an id. */
const NAMES = [
  'node-1',
  '-',
  '.',
  '..',
  'a.b',
  '00000001',
  'a.00000001',
  'ip-10-0-0-7.eu_west',
  '__proto__',
  'n'.repeat(200),
];

describe('the id of a connection', () => {
  it.each(NAMES)('contains a node with the name %s', name => {
    const { nodeName } = resolveOptions({ cluster: { nodeName: name } }).cluster;
    const nodeId = `${nodeName}-9f86d081`;
    for (const serial of [0, 1, 36 ** 8 - 1]) {
      const id = connectionId(nodeId, serial);
      expect([nodeIdOf(id), serialOf(nodeId, id)]).toEqual([nodeId, serial]);
      // It is part of URLs without escaping, and is no dot segment.
      expect(new URL(`/admin/connections/${id}`, 'http://h').pathname).toBe(`/admin/connections/${id}`);
      expect(encodeURIComponent(id)).toBe(id);
    }
  });

  it.each([
    '',
    'node-1',
    'node-1.',
    '.00000001',
    'node-1.0000001',
    'node-1.000000001',
    'node-1.0000000A',
    'node-1.00000001 ',
  ])('has no node in %j', id => {
    expect(nodeIdOf(id)).toBeUndefined();
  });
});

describe('a host name as the name of a node', () => {
  it.each([
    ['web-1.example.com', 'web-1.example.com'],
    ['Web_1', 'Web_1'],
    ['büro pc', 'b-ro-pc'],
    ['a/b:c', 'a-b-c'],
    ['', 'node'],
    ['h'.repeat(253), 'h'.repeat(200)],
  ])('%j is %s, which is accepted', (host, name) => {
    expect(nodeNameOf(host)).toBe(name);
    expect(resolveOptions({ cluster: { nodeName: nodeNameOf(host) } }).cluster.nodeName).toBe(name);
  });
});
