import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Problem } from 'nestjs-heartbeat';

import { readClientKey } from './client-key.js';

const PUBLIC = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const SECRET = 'a secret of at least thirty-two bytes';

function read(given: Record<string, string>) {
  const problems: Problem[] = [];
  return { key: readClientKey(given, problems), problems };
}

describe('readClientKey', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'client-key-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  function file(content: string): string {
    const path = join(folder, `${Math.random()}.json`);
    writeFileSync(path, content);
    return path;
  }

  it('is the secret, just as it is written', () => {
    expect(read({ JWT_SECRET: ' sécret ' })).toEqual({ key: { secret: ' sécret ' }, problems: [] });
  });

  it('is the set of keys in the file', () => {
    const jwks = { keys: [PUBLIC] };
    expect(read({ JWKS_FILE: file(JSON.stringify(jwks)) })).toEqual({ key: { jwks }, problems: [] });
  });

  it('is none where neither is set: clients are anonymous', () => {
    expect(read({})).toEqual({ key: null, problems: [] });
  });

  it('is refused where both are set, and the secret is not shown', () => {
    const { key, problems } = read({ JWT_SECRET: SECRET, JWKS_FILE: file('{"keys":[]}') });
    expect([key, problems.map(problem => problem.key)]).toEqual([null, ['JWKS_FILE']]);
    expect(JSON.stringify(problems)).not.toContain(SECRET);
  });

  it.each([
    ['no JSON', 'nothing'],
    ['empty', ''],
    ['half of a set', '{"keys":['],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"keys"'],
    ['an object without keys', '{}'],
    ['one key alone', '{"kty":"OKP"}'],
    ['keys that are no list', '{"keys":{}}'],
    ['keys that are no objects', '{"keys":["key"]}'],
  ])('is refused where the file is %s, with its name and a remedy', (_what, content) => {
    const path = file(content);
    expect(read({ JWKS_FILE: path })).toEqual({
      key: null,
      problems: [
        {
          key: 'JWKS_FILE',
          value: path,
          rule: expect.stringMatching(/^must name a file with a JSON Web Key Set of public keys \(.+\)$/),
          remedy: expect.stringContaining('RFC 7517'),
        },
      ],
    });
  });

  it.each([
    ['no JSON', `${SECRET}\n`, 'it is not JSON'],
    ['half of a set of secrets', `{"keys":[{"kty":"oct","k":"${SECRET}"`, 'it is not JSON'],
    ['a set without a key', '{"keys":[]}', 'it holds no key'],
    ['a secret', JSON.stringify({ keys: [{ kty: 'oct', k: SECRET }] }), 'must stay secret'],
    ['a private key', JSON.stringify({ keys: [PUBLIC, { ...PUBLIC, d: SECRET }] }), 'must stay secret'],
  ])('says what is wrong where the file is %s, and nothing of what is in it', (_what, content, rule) => {
    const { key, problems } = read({ JWKS_FILE: file(content) });
    expect([key, problems.map(problem => problem.rule)]).toEqual([null, [expect.stringContaining(rule)]]);
    expect(JSON.stringify(problems)).not.toContain(SECRET.slice(0, 8));
  });

  it('is refused where there is no such file, or none that can be read as one', () => {
    for (const path of [join(folder, 'nothing.json'), folder, '']) {
      expect(read({ JWKS_FILE: path }).problems.map(({ key }) => key)).toEqual(['JWKS_FILE']);
    }
  });

  it('says so where ALLOW_ANONYMOUS or ALLOW_QUERY_TOKEN would do nothing', () => {
    const { key, problems } = read({ ALLOW_ANONYMOUS: 'true', ALLOW_QUERY_TOKEN: 'true' });
    expect([key, problems.map(problem => problem.key)]).toEqual([null, ['ALLOW_ANONYMOUS', 'ALLOW_QUERY_TOKEN']]);
    expect(read({ ALLOW_ANONYMOUS: 'false', ALLOW_QUERY_TOKEN: 'false' }).problems).toEqual([]);
    expect(read({ JWT_SECRET: SECRET, ALLOW_ANONYMOUS: 'true', ALLOW_QUERY_TOKEN: 'true' }).problems).toEqual([]);
  });
});
