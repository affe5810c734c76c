import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { clientNetwork, isNetwork, networkLabel, networkMatcher, plainAddress } from './network-address.js';

const any128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });

const groupsOf = (bits: bigint) =>
  Array.from({ length: 8 }, (_, index) => (bits >> BigInt(112 - 16 * index)) & 0xffffn);

/** The spellings of one IPv6 address (RFC 4291, section 2.2). */
const SPELLINGS: ((bits: bigint) => string)[] = [
  bits =>
    groupsOf(bits)
      .map(group => group.toString(16))
      .join(':'),
  bits =>
    groupsOf(bits)
      .map(group => group.toString(16).padStart(4, '0').toUpperCase())
      .join(':'),
  bits => new URL(`http://[${SPELLINGS[0]!(bits)}]`).hostname.slice(1, -1),
  bits => {
    const groups = groupsOf(bits);
    const [high, low] = [groups[6]!, groups[7]!];
    const head = groups.slice(0, 6).map(group => group.toString(16));
    return `${head.join(':')}:${high >> 8n}.${high & 255n}.${low >> 8n}.${low & 255n}`;
  },
];
const anySpelling = fc.constantFrom(...SPELLINGS);

describe('plainAddress', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1%eth0', '127.0.0.1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%25', 'fe80::1'],
    ['', ''],
  ])('turns %j into %j', (address, plain) => {
    expect(plainAddress(address)).toBe(plain);
  });

  it('does not take an IPv6 address for IPv4 unless it is mapped', () => {
    for (const address of ['::127.0.0.1', '64:ff9b::127.0.0.1', '::fffe:127.0.0.1', '1::ffff:127.0.0.1']) {
      expect(plainAddress(address)).toMatch(/:7f00:1$/);
    }
  });

  it.each<[string, string, string[]]>([
    ['IPv6', '2001:db8::1', ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:DB8:0:0::1', '2001:db8::0.0.0.1']],
    ['IPv6 with two runs of zeros', '2001:db8::1:0:0:1', ['2001:db8:0:0:1:0:0:1', '2001:0DB8::0001:0:0:1']],
    ['IPv6 with one zero', '2001:db8:0:1:1:1:1:1', ['2001:db8::1:1:1:1:1', '2001:0db8:0000:1:01:001:1:1']],
    ['the loopback', '::1', ['0:0:0:0:0:0:0:1', '0000::0001', '::0.0.0.1', '::1%lo']],
    ['the unspecified address', '::', ['0:0:0:0:0:0:0:0', '0::0', '::0.0.0.0']],
    ['a link-local address', 'fe80::a', ['FE80::A%eth0', 'fe80:0::000a%25en0', 'fe80::a%2']],
    [
      'mapped IPv4',
      '203.0.113.7',
      [
        '::ffff:203.0.113.7',
        '::FFFF:cb00:7107',
        '0:0:0:0:0:ffff:203.0.113.7',
        '0000:0000:0000:0000:0000:ffff:cb00:7107',
        '0::ffff:203.0.113.7%eth0',
      ],
    ],
  ])('has one spelling for %s (RFC 5952)', (_what, canonical, spellings) => {
    expect([canonical, ...spellings].map(plainAddress)).toEqual([canonical, ...spellings].map(() => canonical));
  });

  it('has one form for every spelling of an address', () => {
    fc.assert(
      fc.property(any128, anySpelling, anySpelling, (bits, one, other) => {
        expect(plainAddress(one(bits))).toBe(plainAddress(other(bits)));
      }),
    );
  });

  it.each(['', 'unix:', 'unknown', '203.000.113.007', '1.2.3', '[::1]', '::1::', 'fe80::1 '])(
    'leaves %j as it is, which is no address',
    text => {
      expect(plainAddress(text)).toBe(text);
    },
  );
});

describe('isNetwork', () => {
  it.each([
    '10.0.0.1',
    '10.0.0.0/8',
    '0.0.0.0/0',
    '10.0.0.1/32',
    '::1',
    '::/0',
    'fd00::/8',
    '::1/128',
    '::ffff:1.2.3.4',
  ])('accepts %j', text => expect(isNetwork(text)).toBe(true));

  it.each([
    '',
    '/',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/8.0',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    ' 10.0.0.0/8',
    '10.0.0/8',
    '10.0.0.256',
    '10.0.0.1:80',
    '[::1]',
    '::1/129',
    '::1/0128',
    ':::',
    'localhost',
    'example.com/8',
    '10.0.0.0/255.0.0.0',
  ])('rejects %j', text => {
    expect(isNetwork(text)).toBe(false);
  });

  it('accepts only what networkMatcher can match', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.ipV4Extended(), fc.ipV6()),
        fc.integer({ min: 0, max: 140 }),
        (text, bits) => {
          const taken = [text, `${text}/${bits}`].filter(isNetwork);
          expect(() => networkMatcher(taken)('10.0.0.1')).not.toThrow();
        },
      ),
    );
  });
});

describe('networkMatcher', () => {
  it.each<[string, string[], string, boolean]>([
    ['an address itself', ['10.0.0.1'], '10.0.0.1', true],
    ['not its neighbour', ['10.0.0.1'], '10.0.0.2', false],
    ['the first of a CIDR', ['10.0.0.0/30'], '10.0.0.0', true],
    ['the last of a CIDR', ['10.0.0.0/30'], '10.0.0.3', true],
    ['not the one behind it', ['10.0.0.0/30'], '10.0.0.4', false],
    ['a CIDR that is named by one of its hosts', ['10.1.2.3/8'], '10.200.0.1', true],
    ['any of several', ['192.168.0.0/16', 'fd00::/8'], 'fd12::1', true],
    ['IPv6 in any spelling', ['2001:db8::1'], '2001:DB8:0:0::1', true],
    ['a mapped address in an IPv4 network', ['10.0.0.0/8'], '::ffff:10.1.1.1', true],
    ['a mapped address written in groups', ['10.0.0.0/8'], '::ffff:a01:101', true],
    ['IPv4 in a mapped network', ['::ffff:10.0.0.0/104'], '10.1.1.1', true],
    ['everything IPv4', ['0.0.0.0/0'], '203.0.113.7', true],
    ['nothing where there is no network', [], '10.0.0.1', false],
    ['no text that is no address', ['0.0.0.0/0', '::/0'], 'localhost', false],
    ['not the empty text', ['0.0.0.0/0', '::/0'], '', false],
  ])('matches %s', (_what, networks, address, matches) => {
    expect(networkMatcher(networks)(address)).toBe(matches);
  });
});

describe('clientNetwork', () => {
  it('is the address for IPv4', () => {
    expect([clientNetwork('203.0.113.7', 64), clientNetwork('203.0.113.7', 1)]).toEqual(['203.0.113.7', '203.0.113.7']);
  });

  it.each([
    ['the same /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', 64, true],
    ['the next /64', '2001:db8:1:2::1', '2001:db8:1:3::1', 64, false],
    ['another /64 of the same /56', '2001:db8:1:2::1', '2001:db8:1:3::1', 56, true],
    ['another /56', '2001:db8:1:2::1', '2001:db8:1:102::1', 56, false],
    ['one address in two spellings', '2001:db8::1', '2001:DB8:0:0:0:0:0.0.0.1', 64, true],
    ['two addresses of a /64, all bits counted', '2001:db8::1', '2001:db8::2', 128, false],
    ['the loopback and the unspecified address', '::', '::1', 64, true],
  ])('compares %s', (_what, one, other, bits, same) => {
    expect(clientNetwork(one, bits) === clientNetwork(other, bits)).toBe(same);
  });

  it('is one key for two addresses if and only if they share the bits, however they are spelled', () => {
    const anyBits = fc.oneof(fc.constant(64), fc.integer({ min: 1, max: 127 }));
    fc.assert(
      fc.property(
        any128,
        fc.integer({ min: 0, max: 127 }),
        anyBits,
        anySpelling,
        anySpelling,
        (address, flipped, bits, spell, spellOther) => {
          const neighbour = address ^ (1n << BigInt(flipped));
          const shared = flipped < 128 - bits;
          const keys = [clientNetwork(spell(address), bits), clientNetwork(spellOther(neighbour), bits)];
          expect(keys[0] === keys[1]).toBe(shared);
          expect(clientNetwork(spellOther(address), bits)).toBe(keys[0]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is one key for one address in two spellings where all 128 bits count', () => {
    fc.assert(
      fc.property(any128, anySpelling, anySpelling, (address, spell, spellOther) => {
        expect(clientNetwork(spell(address), 128)).toBe(clientNetwork(spellOther(address), 128));
      }),
    );
  });

  it('never equates an IPv6 client with an IPv4 client', () => {
    fc.assert(
      fc.property(any128, fc.ipV4(), fc.integer({ min: 1, max: 127 }), (bits, ipv4, prefix) => {
        expect(clientNetwork(SPELLINGS[0]!(bits), prefix)).not.toBe(clientNetwork(ipv4, prefix));
      }),
    );
  });
});

describe('networkLabel', () => {
  it.each([
    ['203.0.113.7', 64, '203.0.113.7'],
    ['2001:db8:1:2::1', 64, '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', 56, '2001:db8:1::/56'],
    ['2001:db8::1', 128, '2001:db8::1'],
    ['::1', 64, '::/64'],
    ['unix:', 64, 'unix:'],
  ])('shows the client network of %s (%i bits) as %s', (address, bits, label) => {
    expect(networkLabel(clientNetwork(address, bits))).toBe(label);
  });
});
