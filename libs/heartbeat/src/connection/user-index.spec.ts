import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Connection } from './connection.js';
import { UserIndex } from './user-index.js';

interface Client {
  state: 'open' | 'closing';
}

describe('UserIndex', () => {
  let index: UserIndex;
  let clients: Client[];
  const at = (place: number) => clients[place] as unknown as Connection;

  beforeEach(() => {
    index = new UserIndex();
    clients = [0, 1, 2, 3].map(() => ({ state: 'open' }));
    for (const place of [0, 1, 2]) index.add('ann', at(place));
    index.add('bob', at(3));
  });

  it('finds, counts and removes closing connections like other ones', () => {
    clients[1]!.state = 'closing';
    expect(index.open('ann')).toEqual([at(0), at(2)]);
    expect([index.count('ann'), index.size, new Set(index.get('ann')).size]).toEqual([3, 4, 3]);
    expect([index.add('ann', at(1)), index.get('bob'), [...index.entries()].length]).toEqual([false, [at(3)], 4]);
    expect([index.remove('ann', at(1)), index.remove('ann', at(1))]).toEqual([true, false]);
    expect([index.get('ann'), index.count('ann'), index.size]).toEqual([[at(0), at(2)], 2, 3]);
  });

  it('checks each closing connection once, for any number of lookups of its user', () => {
    let looks = 0;
    const count = 1000;
    for (let n = 0; n < count; n++) {
      const closing = {
        get state() {
          looks++;
          return 'closing';
        },
      };
      index.add('ann', closing as unknown as Connection);
      expect(index.open('ann')).toHaveLength(3);
    }
    expect([looks, index.count('ann')]).toEqual([count, count + 3]);
  });
});
