import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { BanIndex, type BanKind, targetOf } from './ban-index.js';
import { type BanPage, type BanQuery, pageOfBans } from './ban-page.js';

function pageOf(index: BanIndex, query: Partial<BanQuery> = {}): Promise<BanPage> {
  return pageOfBans(index.all(0), { limit: 50, after: null, ...query }, ({ shown }) => {
    return { ...shown, expiresAt: new Date(shown.endsAt) };
  });
}

function indexOf(bans: readonly (readonly [id: string, kind: BanKind, value: string])[]): BanIndex {
  const index = new BanIndex();
  for (const [id, kind, value] of bans) {
    index.add({ id, kind, value, reason: 'spam', endsAt: 1000 }, targetOf(kind, value)!);
  }
  return index;
}

describe('pageOfBans', () => {
  const index = indexOf([
    ['e', 'user', '10.0.0.1'],
    ['b', 'ip', '10.0.0.1'],
    ['a', 'cidr', '10.0.0.0/8'],
    ['d', 'cidr', '2001:db8::/32'],
    ['c', 'user', 'ann'],
  ]);

  it.each<[string, Partial<BanQuery>, string[]]>([
    ['all', {}, ['a', 'b', 'c', 'd', 'e']],
    ['a kind', { kind: 'cidr' }, ['a', 'd']],
    ['a user', { value: 'ann' }, ['c']],
    ['no user in another spelling', { value: 'Ann' }, []],
    ['a value that is both an address and a user', { value: '10.0.0.1' }, ['b', 'e']],
    ['the same of one kind', { value: '10.0.0.1', kind: 'ip' }, ['b']],
    ['the same of another kind', { value: '10.0.0.1', kind: 'user' }, ['e']],
    ['an address in another spelling', { value: '::ffff:a00:1' }, ['b']],
    ['a network with host bits', { value: '10.1.2.3/8' }, ['a']],
    ['an IPv6 network in another spelling', { value: '2001:DB8:0::/32' }, ['d']],
    ['no network that only contains the address', { value: '10.0.0.2' }, []],
  ])('shows %s', async (_what, query, ids) => {
    const { items, total, hasMore } = await pageOf(index, query);
    expect([items.map(({ id }) => id), total, hasMore]).toEqual([ids, ids.length, false]);
  });

  it('shows each ban once, page by page in the order of their ids', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme-ascii' })),
        fc.integer({ min: 1, max: 7 }),
        async (ids, limit) => {
          const many = indexOf(ids.map(id => [id, 'user', `user ${id}`]));
          const seen: string[] = [];
          let [after, hasMore]: [string | null, boolean] = [null, true];
          while (hasMore) {
            const page = await pageOf(many, { limit, after });
            expect([page.total, page.items.length <= limit]).toEqual([ids.length, true]);
            seen.push(...page.items.map(({ id }) => id));
            [after, hasMore] = [seen.at(-1) ?? null, page.hasMore];
          }
          expect(seen).toEqual(ids.toSorted());
        },
      ),
    );
  });
});
