import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { BlockList, isIP } from 'node:net';

import { ipv4Bits, ipv6Groups, networkBits, networkText } from './address-bits.js';
import { networkMatcher } from './network-address.js';
import { addressKey } from './network-table.js';

const SPELLINGS: readonly (readonly [string, ...string[]])[] = [
  ['1.2.3.4', '::ffff:1.2.3.4', '::FFFF:102:304', '0:0:0:0:0:ffff:1.2.3.4', '0000:0000:0000:0000:0000:ffff:0102:0304'],
  ['255.255.255.255', '::ffff:ffff:ffff'],
  ['0.0.0.0', '::ffff:0:0', '::ffff:0.0.0.0'],
  ['::', '0:0:0:0:0:0:0:0', '::0', '0::', '::0.0.0.0'],
  ['::1', '0::1', '::0001', '::0.0.0.1', '::1%lo'],
  ['2001:db8::7', '2001:DB8:0::7', '2001:db8:0:0:0:0:0:7', '2001:0db8::0:7', '2001:db8::0.0.0.7', '2001:db8::7%eth0'],
  ['2001:db8:0:0:1::', '2001:db8::1:0:0:0', '2001:db8:0:0:1:0:0:0'],
  ['fe80::ffff:ffff:ffff:ffff', 'fe80:0::ffff:ffff:255.255.255.255'],
];

function nearby(address: string): fc.Arbitrary<string> {
  return fc.constantFrom(address, address.replace(/.$/, '1'), address.replace(/^./, '2'));
}

describe('an address', () => {
  it.each(SPELLINGS)('%s is the same address in each spelling', (first, ...others) => {
    expect(others.map(addressKey)).toEqual(others.map(() => addressKey(first)));
  });

  it('differs from the addresses beside it', () => {
    const keys = SPELLINGS.map(([first]) => addressKey(first));
    expect(new Set(keys).size).toBe(SPELLINGS.length);
  });

  it.each([
    '',
    'x',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4 ',
    '1.2.3.0004',
  ])('is not %j', text => {
    expect([ipv4Bits(text), ipv6Groups(text), addressKey(text)]).toEqual([null, null, null]);
  });

  it('of IPv4 is parsed exactly where Node accepts it', () => {
    const digits = fc.array(fc.constantFrom('0', '1', '2', '5', '9', '.', '00', '255', '256', ' ', '-'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV4Extended(),
          digits.map(parts => parts.join('')),
        ),
        text => {
          expect(ipv4Bits(text) !== null).toBe(isIP(text) === 4);
        },
      ),
    );
  });
});

describe('a network', () => {
  it.each([
    ['10.0.0.5/8', '10.0.0.0/8'],
    ['10.255.255.255/8', '10.0.0.0/8'],
    ['1.2.3.4/32', '1.2.3.4'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:10.9.9.9/104', '10.0.0.0/8'],
    ['::ffff:0:0/95', '::fffe:0:0/95'],
    ['2001:DB8:1:2::3/32', '2001:db8::/32'],
    ['2001:db8:0:0:1:0:0:0/128', '2001:db8:0:0:1::'],
    ['ff::ff/1', '::/1'],
    ['ffff::/0', '::/0'],
  ])('%s is %s', (text, canonical) => {
    expect(networkText(networkBits(text)!)).toBe(canonical);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/', '::/129', '/8', '10.0.0.0/8/8', '10.0.0.0/-1', '10.0.0.0/8 ', 'x/8'])(
    'is not %j',
    text => {
      expect(networkBits(text)).toBeNull();
    },
  );

  it('has one spelling, which parses to the same network', () => {
    const network = fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
      fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
    );
    fc.assert(
      fc.property(network, ([address, bits]) => {
        const given = networkBits(`${address}/${bits}`)!;
        expect(networkBits(networkText(given))).toEqual(given);
      }),
    );
  });

  it('contains the same addresses as Node’s BlockList, of its own family', () => {
    const cases = fc
      .oneof(
        fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.constant('ipv4' as const)),
        fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.constant('ipv6' as const)),
      )
      .chain(([address, bits, family]) =>
        fc.tuple(fc.constant({ address, bits, family }), fc.oneof(nearby(address), fc.ipV4(), fc.ipV6())),
      );
    fc.assert(
      fc.property(cases, ([{ address, bits, family }, asked]) => {
        const isOfFamily = isIP(asked) === (family === 'ipv4' ? 4 : 6);
        fc.pre(isOfFamily && !/^(0{0,4}:){1,5}(0{0,4}:)*ffff:/i.test(asked) && !/^(0{0,4}:)+ffff:/i.test(address));
        const list = new BlockList();
        list.addSubnet(address, bits, family);
        expect(networkMatcher([`${address}/${bits}`])(asked)).toBe(list.check(asked, family));
      }),
    );
  });

  it.each<[string, string, boolean]>([
    ['::/0', '203.0.113.7', false],
    ['::/0', '::ffff:203.0.113.7', false],
    ['::/0', '2001:db8::1', true],
    ['::/95', '203.0.113.7', false],
    ['::ffff:0:0/95', '203.0.113.7', false],
    ['::ffff:0:0/96', '203.0.113.7', true],
    ['::ffff:0:0/96', '2001:db8::1', false],
    ['::ffff:203.0.113.0/120', '203.0.113.7', true],
    ['::ffff:203.0.113.0/120', '203.0.114.7', false],
    ['0.0.0.0/0', '::ffff:203.0.113.7', true],
    ['0.0.0.0/0', '::203.0.113.7', false],
    ['64:ff9b::/96', '203.0.113.7', false],
  ])('%s contains %s: %j', (network, address, isInside) => {
    expect(networkMatcher([network])(address)).toBe(isInside);
  });
});
