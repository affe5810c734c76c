import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { resolveOptions } from '../options/resolve-options.js';
import { ClientAddresses } from './client-addresses.js';

const PROXY = '10.0.0.1';

const from = (remoteAddress: string, forwardedFor: string) =>
  ({ headers: { 'x-forwarded-for': forwardedFor }, socket: { remoteAddress } }) as unknown as IncomingMessage;

const overUnix = (forwardedFor?: string, server: object = { listening: true, address: () => '/run/app.sock' }) =>
  ({
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
    socket: { server },
  }) as unknown as IncomingMessage;
const trusting = (...trustedProxies: string[]) => new ClientAddresses(resolveOptions({ trustedProxies }));

describe('ClientAddresses', () => {
  it.each([
    ['the proxy’s address where none is trusted', [], PROXY, PROXY],
    ['the client’s address behind a trusted proxy', ['10.0.0.0/8'], PROXY, '203.0.113.7'],
    ['the client’s address behind a mapped proxy', [PROXY], `::ffff:${PROXY}`, '203.0.113.7'],
    ['the address of a peer that only claims to be a proxy', [PROXY], '198.51.100.1', '198.51.100.1'],
  ])('returns %s', (_what, trustedProxies, remoteAddress, address) => {
    const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies }));
    expect(addresses.of(request as unknown as IncomingMessage)).toBe(address);
  });

  it('distinguishes proxies from other peers for any number of addresses, also repeatedly', () => {
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: ['10.0.0.0/8'] }));
    const ask = (remoteAddress: string) => {
      const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
      return addresses.of(request as unknown as IncomingMessage);
    };
    const peers = Array.from({ length: 3000 }, (_, at) => `${at % 2 === 0 ? 10 : 11}.0.${at >> 8}.${at & 255}`);
    const expected = peers.map(peer => (peer.startsWith('10.') ? '203.0.113.7' : peer));
    expect([peers.map(ask), peers.map(ask)]).toEqual([expected, expected]);
  });

  it.each([
    ['in small letters', 'fd00::2'],
    ['in capitals', 'FD00::2'],
    ['in the long form', 'fd00:0000:0000:0000:0000:0000:0000:0002'],
    ['as a CIDR in the long form', 'FD00:0:0:0::/64'],
  ])('trusts a proxy that is given %s', (_what, name) => {
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: [name] }));
    expect(addresses.of(from('fd00::2', '203.0.113.7'))).toBe('203.0.113.7');
  });

  it.each([
    ['an address', '10.0.0.2'],
    ['mapped', '::ffff:10.0.0.2'],
    ['mapped in groups', '::FFFF:a00:2'],
    ['a mapped CIDR', '::ffff:10.0.0.0/104'],
  ])('trusts an IPv4 proxy that is given as %s', (_what, name) => {
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: [name] }));
    expect(addresses.of(from('10.0.0.2', '203.0.113.7'))).toBe('203.0.113.7');
    expect(addresses.of(from('::ffff:10.0.0.2', '203.0.113.7'))).toBe('203.0.113.7');
  });
});

describe('ClientAddresses of a Unix socket', () => {
  it('are unix: without a proxy header', () => {
    expect([trusting().of(overUnix()), trusting('unix:').of(overUnix())]).toEqual(['unix:', 'unix:']);
  });

  it('are reported by the proxy where unix: is trusted, and only there', () => {
    expect(trusting('unix:').of(overUnix('1.1.1.1, 203.0.113.7'))).toBe('203.0.113.7');
    expect(trusting('10.0.0.0/8').of(overUnix('203.0.113.7'))).toBe('unix:');
    expect([trusting('unix:'), trusting('10.0.0.0/8')].map(addresses => addresses.isBehindProxy(overUnix()))).toEqual([
      true,
      false,
    ]);
  });

  it('are found behind two proxies, one of them connected by a Unix socket', () => {
    expect(trusting('unix:').of(overUnix('203.0.113.7, unix:'))).toBe('203.0.113.7');
    expect(trusting('unix:', '10.0.0.2').of(from('10.0.0.2', '203.0.113.7, unix:'))).toBe('203.0.113.7');
    expect(trusting('10.0.0.2').of(from('10.0.0.2', '203.0.113.7, unix:'))).toBe('10.0.0.2');
  });

  it('are not those of TCP sockets that have closed', () => {
    const tcp = { listening: true, address: () => ({ address: '::', family: 'IPv6', port: 3000 }) };
    expect(trusting('unix:').of(overUnix('203.0.113.7', tcp))).toBe('');
    expect(trusting('unix:').of(overUnix('203.0.113.7', { listening: false, address: () => null }))).toBe('');
  });

  it('stay known when the server has closed', () => {
    let path: string | null = '/run/app.sock';
    const server = {
      get listening() {
        return path !== null;
      },
      address: () => path,
    };
    const addresses = trusting('unix:');
    addresses.of(overUnix(undefined, server));
    path = null;
    expect(addresses.of(overUnix('203.0.113.7', server))).toBe('203.0.113.7');
  });
});
