import { beforeEach, describe, expect, it } from '@jest/globals';

import { type BanKind, BanIndex, type HeldBan, targetOf, valueOf } from './ban-index.js';

describe('BanIndex', () => {
  let index: BanIndex;
  let count: number;

  beforeEach(() => {
    index = new BanIndex();
    count = 0;
  });

  function add(kind: BanKind, value: string, endsAt = 1000, more: Partial<HeldBan> = {}): string {
    const id = more.id ?? `id ${count++}`;
    index.add({ kind, value, reason: `for ${id}`, endsAt, ...more, id }, targetOf(kind, value)!);
    return id;
  }
  const idOf = (ip: string, userId: string | null, now = 0) => index.find(ip, userId, now)?.shown.id;
  const all = (now: number) => Array.from(index.all(now), ({ shown }) => shown.id);

  it.each<[BanKind, string, BanKind, string, boolean]>([
    ['ip', '1.2.3.4', 'ip', '::ffff:1.2.3.4', true],
    ['ip', '1.2.3.4', 'cidr', '1.2.3.4/32', true],
    ['ip', '1.2.3.4', 'cidr', '::ffff:1.2.3.4/128', true],
    ['cidr', '10.0.0.5/8', 'cidr', '10.0.0.0/8', true],
    ['cidr', '10.0.0.0/8', 'cidr', '::ffff:10.1.2.3/104', true],
    ['cidr', '10.0.0.0/8', 'cidr', '10.0.0.0/9', false],
    ['ip', '2001:db8::1', 'ip', '2001:DB8:0:0::0001', true],
    ['ip', '2001:db8::1', 'cidr', '2001:db8::1/128', true],
    ['cidr', '2001:db8::1/64', 'cidr', '2001:db8::ffff/64', true],
    ['cidr', '::/0', 'cidr', '0.0.0.0/0', false],
    ['user', 'ann', 'user', 'ann', true],
    ['user', 'ann', 'user', 'Ann', false],
    ['user', '1.2.3.4', 'ip', '1.2.3.4', false],
  ])('%s %s and %s %s are one target: %j', (kind, value, otherKind, otherValue, isOne) => {
    add(kind, value);
    expect(index.on(targetOf(otherKind, otherValue)!, 0) !== undefined).toBe(isOne);
  });

  it.each<[BanKind, string, string]>([
    ['cidr', '10.0.0.5/8', '10.0.0.0/8'],
    ['cidr', '1.2.3.4/32', '1.2.3.4/32'],
    ['ip', '::ffff:1.2.3.4', '1.2.3.4'],
    ['ip', '2001:DB8:0::7', '2001:db8::7'],
    ['user', ' Ann ', ' Ann '],
  ])('of the kind %s %j is shown as %j', (kind, value, shown) => {
    expect(valueOf(kind, targetOf(kind, value)!)).toBe(shown);
  });

  it('finds a user before a network, and a network of any prefix length', () => {
    const [network, address, user] = [add('cidr', '10.0.0.0/8'), add('ip', '10.9.9.9'), add('user', 'ann')];
    expect(idOf('10.1.1.1', 'ann')).toBe(user);
    expect(idOf('10.1.1.1', 'bob')).toBe(network);
    expect([network, address]).toContain(idOf('10.9.9.9', null));
    expect([idOf('11.1.1.1', 'bob'), idOf('', null), idOf('localhost', null)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('skips a network whose ban has ended for one whose ban has not', () => {
    add('cidr', '10.0.0.0/9', 10);
    const long = add('cidr', '10.0.0.0/8', 1000);
    expect(idOf('10.1.1.1', null, 10)).toBe(long);
  });

  it('shows several bans of one target as one, with the lowest id and the latest end', () => {
    add('ip', '1.2.3.4', 1000, { id: 'b' });
    add('cidr', '1.2.3.4/32', 3000, { id: 'c' });
    add('ip', '::ffff:1.2.3.4', 2000, { id: 'a' });
    expect(all(0)).toEqual(['a']);
    expect(index.find('1.2.3.4', null, 0)?.shown).toMatchObject({ id: 'a', kind: 'ip', reason: 'for c', endsAt: 3000 });
    expect(all(2000)).toEqual(['c']);
    expect(idOf('1.2.3.4', null, 3000)).toBeUndefined();
    expect(index.size).toBe(0);
  });

  it('keeps the other bans of a target when one of them is deleted', () => {
    const [one, other] = [add('user', 'ann', 1000), add('user', 'ann', 2000)];
    expect([index.delete(one), index.delete(one), idOf('', 'ann')]).toEqual([true, false, other]);
    expect([index.delete(other), idOf('', 'ann'), index.size]).toEqual([true, undefined, 0]);
  });

  it('replaces a ban of the same id, so that it ends with the new one', () => {
    const id = add('user', 'ann', 1000);
    add('user', 'ann', 5000, { id });
    expect([idOf('', 'ann', 1000), idOf('', 'ann', 4999), idOf('', 'ann', 5000)]).toEqual([id, id, undefined]);
    expect(index.size).toBe(0);
  });

  it('finds no ended ban, regardless of their number, and removes a few of them each time', () => {
    for (let n = 0; n < 1000; n++) add('user', `user ${n}`, 1000);
    expect([idOf('', 'user 999', 1000), all(1000)]).toEqual([undefined, []]);
    expect(index.size).toBeGreaterThan(800);
    for (let n = 0; n < 20; n++) idOf('', null, 1000);
    expect(index.size).toBe(0);
  });
});
