import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { resolveOptions } from '../resolve-options.js';
import { ClientAddresses } from './client-addresses.js';

const PROXY = '10.0.0.1';

describe('ClientAddresses', () => {
  it.each([
    ['the proxy’s where none is trusted', [], PROXY, PROXY],
    ['the client’s behind a trusted proxy', ['10.0.0.0/8'], PROXY, '203.0.113.7'],
    ['the client’s behind a proxy that shows mapped', [PROXY], `::ffff:${PROXY}`, '203.0.113.7'],
    ['the peer’s that only says to be a proxy', [PROXY], '198.51.100.1', '198.51.100.1'],
  ])('gives %s', (_what, trustedProxies, remoteAddress, address) => {
    const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies }));
    expect(addresses.of(request as unknown as IncomingMessage)).toBe(address);
  });

  it('tells proxies from others however many have come, and when they come again', () => {
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: ['10.0.0.0/8'] }));
    const ask = (remoteAddress: string) => {
      const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
      return addresses.of(request as unknown as IncomingMessage);
    };
    const peers = Array.from({ length: 3000 }, (_, at) => `${at % 2 === 0 ? 10 : 11}.0.${at >> 8}.${at & 255}`);
    const told = peers.map(peer => (peer.startsWith('10.') ? '203.0.113.7' : peer));
    expect([peers.map(ask), peers.map(ask)]).toEqual([told, told]);
  });
});
