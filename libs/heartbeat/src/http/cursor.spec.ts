import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { deflateRawSync } from 'node:zlib';

import { clusterPosition } from '../cluster/cluster-answers.js';
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

/** Eight digits that seem random. */
const hex = (value: number) => (((value + 1) * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0');

describe('cursor', () => {
  it('decodes to the position that it was made of', () => {
    fc.assert(
      fc.property(positions, position => {
        expect(decodeCursor(encodeCursor(position, SCOPE), SCOPE)).toEqual(position);
      }),
    );
  });

  it.each([1, 20, 100, 200])(
    'with %d silent nodes is far below the limit of a request header, and decodes to the same position',
    count => {
      const behind = Array.from({ length: count }, (_, node): [string, { key: number; id: string }] => {
        const name = `chat-deployment-${hex(node * 7)}-${hex(node * 13).slice(0, 5)}-${hex(node)}`;
        return [name, { key: 1_700_000_000_000 + node * 977, id: `${name}.0000${hex(node * 3).slice(0, 4)}` }];
      });
      const place = { at: { key: 1_700_000_000_000, id: 'node-1-9f86d081.0000001a' }, behind };
      const cursor = encodeCursor(place, SCOPE);
      expect(decodeCursor(cursor, SCOPE)).toEqual(place);
      expect(cursor.length).toBeLessThan(count <= 100 ? 4096 : 8192);
      for (const at of [0, 7, 12, 20, cursor.length - 1]) {
        const damaged = cursor.slice(0, at) + (cursor[at] === 'A' ? 'B' : 'A') + cursor.slice(at + 1);
        expect(decodeCursor(damaged, SCOPE)).toBeNull();
      }
      expect(decodeCursor(cursor, ['rttMs'])).toBeNull();
    },
  );

  it('has the form that older nodes create and accept, where no node was silent', () => {
    const place = { at: { key: 7, id: 'node-1-9f86d081.0000001a' }, behind: [] };
    const text = Buffer.from(encodeCursor(place, SCOPE), 'base64url').subarray(8).toString();
    expect(JSON.parse(text)).toEqual(place);
  });

  it('that inflates to more than the maximum is rejected', () => {
    const bomb = Buffer.concat([Buffer.alloc(8), deflateRawSync(Buffer.alloc(64 * 1024 * 1024))]).toString('base64url');
    expect(decodeCursor(bomb, SCOPE)).toBeNull();
  });

  it('is base64url, so that it needs no escaping in a URL', () => {
    fc.assert(fc.property(positions, position => expect(encodeCursor(position, SCOPE)).toMatch(/^[\w-]+$/)));
  });

  it.each([
    ['another sort', ['rttMs', 'asc', { user: 'u1' }, []]],
    ['another order', ['openedAt', 'desc', { user: 'u1' }, []]],
    ['another filter', ['openedAt', 'asc', { user: 'u2' }, []]],
    ['no filter', ['openedAt', 'asc', {}, []]],
  ])('is rejected with %s', (_, scope) => {
    expect(decodeCursor(encodeCursor({ at: { key: 7, id: 'a' }, behind: [] }, SCOPE), scope)).toBeNull();
  });

  it('is rejected after any change of one character', () => {
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

  it('is rejected when it is any other text', () => {
    fc.assert(fc.property(fc.string(), text => expect(decodeCursor(text, SCOPE)).toBeNull()));
  });
});
