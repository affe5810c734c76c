import { describe, expect, it } from '@jest/globals';
import { BlockList, isIP } from 'node:net';

import * as fc from 'fast-check';

import { clientNetwork, isNetwork, networkMatcher, plainAddress } from './network-address.js';

const anyIPv4 = fc.ipV4();
const anyIPv6 = fc.ipV6();

describe('plainAddress', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['2001:DB8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:1', '::ffff:1'],
    ['', ''],
  ])('of %p is %p', (address, plain) => {
    expect(plainAddress(address)).toBe(plain);
  });
});

describe('isNetwork', () => {
  it.each(['10.0.0.1', '10.0.0.0/8', '10.0.0.0/0', '10.0.0.0/32', '::1', '::/0', '2001:db8::/128'])(
    'is true of %p',
    text => {
      expect(isNetwork(text)).toBe(true);
    },
  );

  it.each([
    '',
    '/',
    '/8',
    'localhost',
    '10.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8.0',
    '10.0.0.0/ 8',
    '10.0.0.0/1e1',
    '10.0.0.0/8/8',
    '::/129',
    '::1 ',
    '*',
  ])('is false of %p', text => {
    expect(isNetwork(text)).toBe(false);
  });
});

describe('networkMatcher', () => {
  it('matches what is in any of the networks', () => {
    const matches = networkMatcher(['10.0.0.0/8', '192.168.1.1', '2001:db8::/32']);
    const inside = ['10.255.0.1', '192.168.1.1', '2001:db8:1::5', '::ffff:10.1.1.1'];
    const outside = ['11.0.0.1', '192.168.1.2', '2001:db9::1', '', 'localhost'];
    expect(inside.filter(address => !matches(address))).toEqual([]);
    expect(outside.filter(matches)).toEqual([]);
  });

  it('matches nothing where there are no networks', () => {
    expect(networkMatcher([])('10.0.0.1')).toBe(false);
  });
});

describe('clientNetwork', () => {
  it.each([
    ['203.0.113.7', 64, '203.0.113.7', true],
    ['203.0.113.7', 64, '203.0.113.8', false],
    ['2001:db8::1', 64, '2001:db8:0:0:ffff:ffff:ffff:ffff', true],
    ['2001:db8::1', 64, '2001:db8:0:1::1', false],
    ['2001:db8:0:1::1', 48, '2001:db8:0:2::1', true],
    ['2001:db8::1', 128, '2001:db8::2', false],
    ['::1', 64, '::2', true],
    ['64:ff9b::203.0.113.7', 64, '64:ff9b::198.51.100.1', true],
  ])('of %s by %d bits and of %s is the same: %p', (left, bits, right, same) => {
    expect(clientNetwork(left, bits) === clientNetwork(right, bits)).toBe(same);
  });

  it('agrees with node about who shares a network', () => {
    fc.assert(
      fc.property(anyIPv6, anyIPv6, fc.constantFrom(16, 32, 48, 56, 64, 96), (left, right, bits) => {
        const list = new BlockList();
        list.addSubnet(left, bits, 'ipv6');
        expect(clientNetwork(left, bits) === clientNetwork(right, bits)).toBe(list.check(right, 'ipv6'));
        expect(clientNetwork(left, bits)).toBe(clientNetwork(left, bits));
      }),
    );
  });

  it('leaves every IPv4 address to itself, and mistakes none for an IPv6 network', () => {
    fc.assert(
      fc.property(anyIPv4, anyIPv6, (left, right) => {
        expect(isIP(left)).toBe(4);
        expect(clientNetwork(left, 64)).toBe(left);
        expect(clientNetwork(right, 64)).not.toBe(left);
      }),
    );
  });
});
