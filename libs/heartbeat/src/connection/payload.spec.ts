import { describe, expect, it } from '@jest/globals';

import type { Closing } from './connection.types.js';
import { closedError } from './payload.js';

const CLOSE: Closing = { code: 4003, reason: 'slow consumer', by: 'server' };

describe('The error of sends after the end', () => {
  it('is shared by all sends that a close rejects', () => {
    const connection = { id: 'a', closing: CLOSE };
    const errors = new Set(Array.from({ length: 1000 }, () => closedError(connection)));
    expect(errors.size).toBe(1);
  });

  it.each<[string, string, Closing | null, string]>([
    ['of a close', 'a', CLOSE, 'connection a is closed: 4003 slow consumer'],
    ['of a close without a reason', 'b', { code: 1000, reason: '', by: 'client' }, 'connection b is closed: 1000'],
    ['without a close', 'c', null, 'connection c is closed: 1006 connection lost'],
  ])('contains the connection and the code: %s', (_what, id, closing, text) => {
    const connection = { id, closing };
    for (let round = 0; round < 2; round++)
      expect(closedError(connection)).toMatchObject({ code: 'HEARTBEAT_CONNECTION_CLOSED', message: text });
  });

  it('contains its own connection where several connections share the record of a close', () => {
    const [one, other] = ['a', 'b'].map(id => ({ id, closing: CLOSE }));
    const texts = [one!, other!, one!].map(connection => closedError(connection).message);
    expect(texts.map(text => text.split(' ')[1])).toEqual(['a', 'b', 'a']);
  });

  it('is a new one once the connection has ended in another way', () => {
    const connection = { id: 'a', closing: null as Closing | null };
    const first = closedError(connection);
    connection.closing = CLOSE;
    expect([first.message, closedError(connection).message]).toEqual([
      'connection a is closed: 1006 connection lost',
      'connection a is closed: 4003 slow consumer',
    ]);
  });
});
