import { describe, expect, it } from '@jest/globals';

import { readEnvironment } from './environment.js';
import { exposureOf } from './exposure.js';

const JWT_SECRET = 'a secret of at least thirty-two bytes';

describe('exposureOf', () => {
  it.each<[Record<string, string>, RegExp | null]>([
    [{}, null],
    [{ HOST: '127.0.0.1' }, null],
    [{ HOST: '127.8.8.8' }, null],
    [{ HOST: '::1' }, null],
    [{ HOST: 'localhost' }, null],
    [
      { HOST: '0.0.0.0' },
      /^every client is anonymous, and HOST=0\.0\.0\.0 .* JWT_SECRET, JWT_SECRET_FILE or JWKS_FILE/,
    ],
    [{ HOST: '::' }, /^every client is anonymous/],
    [{ HOST: '192.0.2.7' }, /^every client is anonymous/],
    [{ HOST: 'realtime.example' }, /^every client is anonymous/],
    [{ HOST: '0.0.0.0', JWT_SECRET }, null],
    [{ HOST: '0.0.0.0', JWT_SECRET, ALLOW_ANONYMOUS: 'true' }, /ALLOW_ANONYMOUS=true/],
    [{ HOST: '127.0.0.1', JWT_SECRET, ALLOW_ANONYMOUS: 'true' }, null],
  ])('of %j', (environment, warning) => {
    const warnings = exposureOf(readEnvironment(environment));
    expect([warnings.length, warning === null || warning.test(warnings.join())]).toEqual([
      warning === null ? 0 : 1,
      true,
    ]);
  });
});
