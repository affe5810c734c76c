import { describe, expect, it } from '@jest/globals';

import { CloseCodes } from '../../protocol/close-code.js';
import { KINDS } from './transport-kinds.js';

/** The codes after which the client of graphql-ws gives up, beside those from 1000 to 1999 (`shouldRetryConnectOrThrow`). */
const FATAL = new Set([4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500]);

describe('The codes that are sent', () => {
  it.each(Object.values(CloseCodes))('to a client of graphql-ws for $code ($name) have the same effect', close => {
    const sent = KINDS['graphql-ws'].sentCode(close.code);
    expect(FATAL.has(sent) ? sent : 'retried').toBe(close.comeBack === 'no' ? 4401 : 'retried');
  });

  it('are otherwise those of this library', () => {
    const codes = [1000, 1001, 4000, 4403, 4500, 4503];
    for (const name of ['ws', 'other'] as const) expect(codes.map(KINDS[name].sentCode)).toEqual(codes);
    expect([1000, 1001, 1013, 4003, 4403].map(KINDS['graphql-ws'].sentCode)).toEqual([1000, 1001, 1013, 4003, 4403]);
  });
});
