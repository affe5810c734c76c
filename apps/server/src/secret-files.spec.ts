import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { EnvironmentError, readEnvironment } from './environment.js';

const TOKEN = 'a-token-of-sixteen-or-more';
const SECRET = 'a secret of at least thirty-two bytes';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'secret-files-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, `${Math.random()}`);
  writeFileSync(path, content);
  return path;
}

function refusalOf(environment: Record<string, string>): EnvironmentError {
  try {
    readEnvironment(environment);
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
  throw new Error('the environment was taken');
}

describe('ADMIN_TOKEN_FILE and JWT_SECRET_FILE', () => {
  it.each(['', '\n', '\r\n'])('hold the value, one line ending %j excepted', ending => {
    const { options, clientTokens, generatedToken, tokenSource } = readEnvironment({
      ADMIN_TOKEN_FILE: file(`${TOKEN}${ending}`),
      JWT_SECRET_FILE: file(`${SECRET}${ending}`),
    });
    expect(options.admin?.tokens).toEqual([{ token: TOKEN, role: 'operator', name: 'operator' }]);
    expect([generatedToken, tokenSource, clientTokens?.key]).toEqual([null, 'file', { secret: SECRET }]);
  });

  it('satisfy what needs ADMIN_TOKEN', () => {
    const environment = { REDIS_URL: 'redis://localhost', ADMIN_TOKEN_FILE: file(TOKEN), WORKERS: '2' };
    expect(readEnvironment(environment).workers).toBe(2);
  });

  it.each<[string, () => Record<string, string>, string, string]>([
    ['is not there', () => ({ ADMIN_TOKEN_FILE: join(folder, 'nothing') }), 'ADMIN_TOKEN_FILE', 'ENOENT'],
    ['is a folder', () => ({ JWT_SECRET_FILE: folder }), 'JWT_SECRET_FILE', 'EISDIR'],
    ['is empty', () => ({ ADMIN_TOKEN_FILE: file('') }), 'ADMIN_TOKEN_FILE', 'not empty'],
    ['holds a line ending alone', () => ({ JWT_SECRET_FILE: file('\n') }), 'JWT_SECRET_FILE', 'not empty'],
    ['holds blanks alone', () => ({ JWT_SECRET_FILE: file(' \t \n') }), 'JWT_SECRET_FILE', 'not empty'],
    ['holds a short secret', () => ({ JWT_SECRET_FILE: file('x') }), 'JWT_SECRET_FILE', '32 bytes'],
    ['holds a short token', () => ({ ADMIN_TOKEN_FILE: file('x') }), 'ADMIN_TOKEN_FILE', '16 characters'],
    ['holds two lines', () => ({ ADMIN_TOKEN_FILE: file(`${TOKEN}\n${TOKEN}\n`) }), 'ADMIN_TOKEN_FILE', 'printable'],
    [
      'is beside the value',
      () => ({ ADMIN_TOKEN: TOKEN, ADMIN_TOKEN_FILE: file(TOKEN) }),
      'ADMIN_TOKEN_FILE',
      'beside',
    ],
    [
      'is beside the secret',
      () => ({ JWT_SECRET: SECRET, JWT_SECRET_FILE: file(SECRET) }),
      'JWT_SECRET_FILE',
      'beside',
    ],
    ['is beside a set of keys', () => ({ JWT_SECRET_FILE: file(SECRET), JWKS_FILE: 'x' }), 'JWKS_FILE', 'beside'],
  ])('stop the start where the file %s, and its content is not shown', (_what, environment, key, rule) => {
    const { problems, message } = refusalOf(environment());
    expect(problems).toContainEqual(expect.objectContaining({ key, rule: expect.stringContaining(rule) }));
    expect(problems.every(problem => problem.key === key)).toBe(true);
    for (const secret of [TOKEN, SECRET]) expect(message).not.toContain(secret);
  });

  it.each(['ADMIN_TOKEN', 'JWT_SECRET'])('are meant where %s is the path of a file', key => {
    const path = file(SECRET);
    expect(refusalOf({ [key]: path }).message).toContain(`set ${key}_FILE to the path instead`);
  });
});
