import { beforeEach, describe, expect, it } from '@jest/globals';

import { networkMatcher, plainAddress } from '../network-address.js';
import { type BanEntry, BanIndex } from './ban-index.js';
import type { BanKind } from './ban-index.js';

/** How often a ban was asked whether it meets somebody. */
let asked: number;

function entry(kind: BanKind, value: string, endsAt = 1000): BanEntry {
  const inNetwork = kind === 'user' ? () => false : networkMatcher([kind === 'ip' ? plainAddress(value) : value]);
  const matches = (ip: string, userId: string | null) => {
    asked++;
    return kind === 'user' ? userId === value : inNetwork(ip);
  };
  return {
    ban: { id: `${kind} ${value} ${endsAt}`, kind, value, reason: 'spam', expiresAt: new Date() },
    endsAt,
    matches,
  };
}

describe('BanIndex', () => {
  let index: BanIndex;
  beforeEach(() => {
    index = new BanIndex();
    asked = 0;
  });

  const idOf = (ip: string, userId: string | null = null, now = 0) => index.find(ip, userId, now)?.ban.id;

  it('finds nobody while it is empty', () => {
    expect([index.find('203.0.113.7', 'ann', 0), index.values(0), index.get('a')]).toEqual([undefined, [], undefined]);
  });

  it('finds by user, and takes no address for a user nor a user for an address', () => {
    const bans = [entry('user', 'ann'), entry('user', '203.0.113.7'), entry('user', 'networks')];
    for (const ban of bans) index.add(ban);
    expect(index.find('198.51.100.1', 'ann', 0)).toBe(bans[0]);
    for (const userId of [null, 'Ann', 'ip 203.0.113.7', '']) expect(idOf('203.0.113.7', userId)).toBeUndefined();
  });

  it.each([
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:DB8::A', '2001:db8:0:0:0:0:0:a'],
    ['2001:0db8::000a', '2001:db8::a'],
    ['2001:db8::1:0:0:a', '2001:db8:0:0:1::a'],
    ['2001:db8::10.0.0.1', '2001:db8::a00:1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['203.0.113.7', '::ffff:203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('finds the address %s by %s, in whatever spelling', (banned, comes) => {
    const ban = entry('ip', banned);
    index.add(ban);
    expect(index.find(comes, null, 0)).toBe(ban);
    expect([index.delete(ban.ban.id), index.find(comes, null, 0)]).toEqual([true, undefined]);
  });

  it('finds one address only, not its neighbours', () => {
    for (const banned of ['2001:db8::a', '203.0.113.7']) index.add(entry('ip', banned));
    for (const ip of ['2001:db8::b', '2001:db8:0:1::a', '203.0.113.70', '203.0.113.8', '', 'a']) {
      expect(idOf(ip)).toBeUndefined();
    }
  });

  it('finds by each of several networks, also by one that came after a question, and not by one that went', () => {
    const [four, six] = [entry('cidr', '203.0.113.0/24'), entry('cidr', '2001:db8::/32')];
    index.add(four);
    expect([index.find('203.0.113.7', null, 0), index.find('2001:db8::1', null, 0)]).toEqual([four, undefined]);
    index.add(six);
    expect([index.find('203.0.113.7', null, 0), index.find('2001:db8::1', null, 0)]).toEqual([four, six]);
    index.delete(four.ban.id);
    expect([index.find('203.0.113.7', null, 0), index.find('2001:db8::1', null, 0)]).toEqual([undefined, six]);
  });

  it('asks none of a thousand networks about somebody whom no ban meets', () => {
    for (let net = 0; net < 1000; net++) index.add(entry('cidr', `10.${net >> 8}.${net & 255}.0/24`));
    expect([idOf('203.0.113.7'), asked]).toEqual([undefined, 0]);
    expect(idOf('10.1.2.3')).toBe('cidr 10.1.2.0/24 1000');
  });

  it('ends each ban at its time, whatever is asked in between', () => {
    index.add(entry('user', 'ann', 100));
    index.add(entry('ip', '203.0.113.7', 300));
    index.add(entry('cidr', '198.51.100.0/24', 200));
    const seen = [99, 100, 199, 200, 299, 300].map(now => [
      idOf('', 'ann', now) !== undefined,
      idOf('198.51.100.1', null, now) !== undefined,
      idOf('203.0.113.7', null, now) !== undefined,
      index.values(now).length,
    ]);
    expect(seen).toEqual([
      [true, true, true, 3],
      [false, true, true, 2],
      [false, true, true, 2],
      [false, false, true, 1],
      [false, false, true, 1],
      [false, false, false, 0],
    ]);
  });

  it('walks through its bans only when one has ended, not at each question', () => {
    let read = 0;
    const watched = (ends: number): BanEntry => ({
      ...entry('user', `user ${ends}`, ends),
      get endsAt() {
        read++;
        return ends;
      },
    });
    for (const ends of [1000, 2000, 3000]) index.add(watched(ends));
    const before = read;
    for (let now = 0; now < 1000; now++) index.find('203.0.113.7', 'bob', now);
    expect(read).toBe(before);
    expect([idOf('', 'user 1000', 1000), idOf('', 'user 2000', 1000)]).toEqual([undefined, 'user user 2000 2000']);
    const after = read;
    for (let now = 1000; now < 2000; now++) index.find('203.0.113.7', 'bob', now);
    expect(read).toBe(after);
  });

  it('deletes once, and only what was named', () => {
    const [short, long] = [entry('user', 'ann', 1000), entry('user', 'ann', 2000)];
    index.add(short);
    index.add(long);
    expect([index.get(short.ban.id), index.delete(short.ban.id), index.delete(short.ban.id)]).toEqual([
      short,
      true,
      false,
    ]);
    expect([index.get(short.ban.id), index.find('', 'ann', 0), index.values(0)]).toEqual([undefined, long, [long]]);
  });
});
