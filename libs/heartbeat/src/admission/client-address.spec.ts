import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { clientAddress } from './client-address.js';

const requestFrom = (remoteAddress: string | undefined, headers = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

describe('clientAddress', () => {
  it.each([
    ['an IPv4 address', '203.0.113.7', '203.0.113.7'],
    ['an IPv6 address', '2001:db8::1', '2001:db8::1'],
    ['an IPv4 address on a dual-stack socket', '::ffff:203.0.113.7', '203.0.113.7'],
    ['the same in capitals', '::FFFF:203.0.113.7', '203.0.113.7'],
    ['an IPv6 address that only begins so', '::ffff:1', '::ffff:1'],
    ['the loopback', '::1', '::1'],
    ['nothing, once the socket has closed', undefined, ''],
  ])('is %s', (_what, remote, address) => {
    expect(clientAddress(requestFrom(remote))).toBe(address);
  });

  it('believes no header', () => {
    const headers = { 'x-forwarded-for': '198.51.100.1', forwarded: 'for=198.51.100.1' };
    expect(clientAddress(requestFrom('203.0.113.7', headers))).toBe('203.0.113.7');
  });
});
