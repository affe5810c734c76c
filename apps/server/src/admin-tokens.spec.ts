import { describe, expect, it } from '@jest/globals';

import { withoutHiddenToken } from './admin-tokens.js';
import { readEnvironment } from './environment.js';

const LONG = 'a-token-of-sixteen-or-more';
const VIEWER = 'a-token-for-viewers-only';

describe('withoutHiddenToken', () => {
  it.each([
    ['a terminal', {}, true, 'generated', 1],
    ['no terminal', {}, false, 'nowhere', 0],
    ['JSON on a terminal', { LOG_FORMAT: 'json' }, true, 'nowhere', 0],
    ['JSON elsewhere', { LOG_FORMAT: 'json' }, false, 'nowhere', 0],
    ['no terminal, beside a viewer', { ADMIN_VIEWER_TOKEN: VIEWER }, false, 'nowhere', 1],
    ['no terminal, with a token', { ADMIN_TOKEN: LONG }, false, 'variable', 1],
  ] as const)('leaves the tokens that an operator can know: %s', (_what, environment, isTerminal, source, count) => {
    const before = readEnvironment(environment);
    const after = withoutHiddenToken(before, isTerminal);
    expect(after.tokenSource).toBe(source);
    expect(after.options.admin?.tokens).toHaveLength(count);
    expect(after.generatedToken).toBe(source === 'generated' ? before.generatedToken : null);
    const isHidden = source === 'nowhere' && JSON.stringify(after).includes(before.generatedToken!);
    expect(isHidden).toBe(false);
  });
});

describe('admin tokens', () => {
  it.each([
    ['ADMIN_TOKEN', 'fifteen-letters'],
    ['ADMIN_TOKEN', 'x'],
    ['ADMIN_VIEWER_TOKEN', 'fifteen-letters'],
  ])('under 16 characters are refused: %s', (key, token) => {
    expect(() => readEnvironment({ [key]: token })).toThrow(`${key} is "(hidden)" but must have 16 characters or more`);
  });

  it.each(['a token with blanks in it', 'ein-schlüssel-mit-umlaut', `${LONG}\nX-Header: x`, 'x'.repeat(1025)])(
    'that fit into no header are refused, by the name of the variable: %j',
    token => {
      for (const key of ['ADMIN_TOKEN', 'ADMIN_VIEWER_TOKEN']) {
        const environment = { ADMIN_TOKEN: 'sixteen-letters!', [key]: token };
        expect(() => readEnvironment(environment)).toThrow(
          new RegExp(`- ${key} is "\\(hidden\\)" but .*: make one with openssl rand -base64 24$`),
        );
      }
    },
  );

  it('of 16 characters are taken', () => {
    expect(readEnvironment({ ADMIN_TOKEN: 'sixteen-letters!' }).options.admin?.tokens).toHaveLength(1);
  });
});
