import { describe, expect, it } from '@jest/globals';

import { AdminTokens, bearerToken } from './admin-tokens.js';

const tokens = new AdminTokens([
  { token: 'see', role: 'viewer', name: 'screen' },
  { token: 'do', role: 'operator', name: 'ops' },
]);

describe('AdminTokens', () => {
  it.each([
    ['do', 'ops', 'operator'],
    ['see', 'screen', 'viewer'],
  ])('finds the holder of %j', (token, name, role) => {
    expect(tokens.holderOf(Buffer.from(token))).toMatchObject({ name, role });
  });

  it.each([['d'], ['doo'], ['DO'], ['']])('finds no holder of %j', token => {
    expect(tokens.holderOf(Buffer.from(token))).toBeNull();
  });

  it('finds no holder without a token', () => {
    expect(tokens.holderOf(null)).toBeNull();
    expect(new AdminTokens([]).holderOf(null)).toBeNull();
  });

  it('reports whether there is any token', () => {
    expect(tokens.isEmpty).toBe(false);
    expect(new AdminTokens([]).isEmpty).toBe(true);
  });

  it('compares a token beyond ASCII by the bytes that were sent', () => {
    const own = new AdminTokens([{ token: 'clé', role: 'viewer', name: 'v' }]);
    const asNodeReadsIt = Buffer.from('Bearer clé').toString('latin1');
    expect(own.holderOf(bearerToken(asNodeReadsIt))).toMatchObject({ name: 'v' });
  });
});

describe('bearerToken', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER  abc ', 'abc'],
    ['Bearer a b', 'a b'],
  ])('finds the token of %j', (header, token) => {
    expect(bearerToken(header)?.toString()).toBe(token);
  });

  it.each([[undefined], [''], ['Bearer'], ['Bearer  '], ['Basic abc'], ['abc'], ['Bearerabc']])(
    'finds none in %j',
    header => {
      expect(bearerToken(header)).toBeNull();
    },
  );

  it('takes linear time for many spaces', () => {
    const begun = performance.now();
    bearerToken(`Bearer a${' '.repeat(100_000)}b`);
    expect(performance.now() - begun).toBeLessThan(50);
  });
});
