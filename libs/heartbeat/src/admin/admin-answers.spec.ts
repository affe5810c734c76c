import { describe, expect, it } from '@jest/globals';

import type { ClosedView } from '../connection-view.js';
import { pageOfClosed } from './admin-answers.js';

const closed = ['e', 'd', 'c', 'b', 'a'].map(id => ({ id }) as ClosedView);
const idsOf = ({ items, end }: ReturnType<typeof pageOfClosed>) => [items.map(({ id }) => id).join(''), end];

describe('pageOfClosed', () => {
  it.each([
    ['the first page', 2, null, 'ed', 'd'],
    ['the next page', 2, 'd', 'cb', 'b'],
    ['the last page', 2, 'b', 'a', null],
    ['a page that ends with the last', 5, null, 'edcba', null],
    ['nothing after the last', 2, 'a', '', null],
    ['nothing after one that was forgotten', 2, 'z', '', null],
  ])('gives %s', (_, limit, after, ids, end) => {
    expect(idsOf(pageOfClosed(closed, limit, after))).toEqual([ids, end]);
  });
});
