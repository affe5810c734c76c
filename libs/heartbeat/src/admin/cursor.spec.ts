import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { clusterPosition } from '../cluster/wire.js';
import { decodeCursor as decode, encodeCursor } from './cursor.js';

const SCOPE = ['openedAt', 'asc', { user: 'u1' }, []];
const decodeCursor = (cursor: string, scope: unknown) => decode(cursor, scope, clusterPosition);
const onNode = fc.record({
  key: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).filter(key => !Object.is(key, -0))),
  id: fc.string({ minLength: 1 }),
});
const positions = fc.record({
  at: fc.option(onNode),
  behind: fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.option(onNode)), { maxLength: 5 }),
});

describe('cursor', () => {
  it('names the place that it was made of', () => {
    fc.assert(
      fc.property(positions, position => {
        expect(decodeCursor(encodeCursor(position, SCOPE), SCOPE)).toEqual(position);
      }),
    );
  });

  it('is base64url, so that it needs no escaping in an address', () => {
    fc.assert(fc.property(positions, position => expect(encodeCursor(position, SCOPE)).toMatch(/^[\w-]+$/)));
  });

  it.each([
    ['another sort', ['rttMs', 'asc', { user: 'u1' }, []]],
    ['another order', ['openedAt', 'desc', { user: 'u1' }, []]],
    ['another filter', ['openedAt', 'asc', { user: 'u2' }, []]],
    ['no filter', ['openedAt', 'asc', {}, []]],
  ])('is refused with %s', (_, scope) => {
    expect(decodeCursor(encodeCursor({ at: { key: 7, id: 'a' }, behind: [] }, SCOPE), scope)).toBeNull();
  });

  it('is refused after any change of one character', () => {
    const cursor = encodeCursor({ at: { key: 1_700_000_000_000, id: 'node-1.00000001' }, behind: [] }, SCOPE);
    const places = fc.nat({ max: cursor.length - 1 });
    fc.assert(
      fc.property(places, fc.string({ minLength: 0, maxLength: 2 }), (place, change) => {
        const damaged = cursor.slice(0, place) + change + cursor.slice(place + 1);
        fc.pre(damaged !== cursor);
        expect(decodeCursor(damaged, SCOPE)).toBeNull();
      }),
    );
  });

  it('is refused when it is any other text', () => {
    fc.assert(fc.property(fc.string(), text => expect(decodeCursor(text, SCOPE)).toBeNull()));
  });
});
