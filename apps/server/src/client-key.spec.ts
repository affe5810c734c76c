import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
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
    const secret = ' sécret of thirty-two bytes, just ';
    expect(read({ JWT_SECRET: secret })).toEqual({ key: { secret }, problems: [] });
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
  ])('names the problem of a file that is %s, and nothing of its content', (_what, content, rule) => {
    const { key, problems } = read({ JWKS_FILE: file(content) });
    expect([key, problems.map(problem => problem.rule)]).toEqual([null, [expect.stringContaining(rule)]]);
    expect(JSON.stringify(problems)).not.toContain(SECRET.slice(0, 8));
  });

  it('is refused where there is no such file, or none that can be read as one', () => {
    for (const path of [join(folder, 'nothing.json'), folder, '']) {
      expect(read({ JWKS_FILE: path }).problems.map(({ key }) => key)).toEqual(['JWKS_FILE']);
    }
  });

  it.each([
    ['31 bytes', 'x'.repeat(31), 1],
    ['32 bytes', 'x'.repeat(32), 0],
    ['16 characters of two bytes', 'é'.repeat(16), 0],
    ['15 characters of two bytes', 'é'.repeat(15), 1],
    ['a word', 'secret', 1],
  ])('is a secret as long as a hash: %s', (_what, secret, count) => {
    const { problems } = read({ JWT_SECRET: secret });
    expect(problems).toHaveLength(count);
    expect(problems.every(({ key, rule }) => key === 'JWT_SECRET' && rule.includes('32 bytes'))).toBe(true);
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = rsa.publicKey.export({ format: 'jwk' });

  // Such a secret is public: any client could sign tokens with it.
  it.each<[string, string]>([
    ['a public key in PEM', rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString()],
    ['a private key in PEM', rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    ['the base64 of a public key', rsa.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')],
    ['a JWK', JSON.stringify(jwk)],
    ['a set of JWKs', JSON.stringify({ keys: [jwk] }, null, 2)],
    ['the URL of a set', 'https://id.example/.well-known/jwks.json'],
    ['an SSH key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIbCJw9oJ9 ops'],
  ])('is no secret but %s, which is refused', (_what, secret) => {
    const { key, problems } = read({ JWT_SECRET: secret });
    expect([key, problems.map(problem => problem.key)]).toEqual([null, ['JWT_SECRET']]);
    expect(problems[0]?.remedy).toContain('JWKS_FILE');
    expect(JSON.stringify(problems)).not.toContain(secret.slice(0, 30));
  });

  it('is the base64 of random bytes, also where it begins like a key', () => {
    expect(read({ JWT_SECRET: `MII${'B'.repeat(61)}` }).problems).toEqual([]);
  });

  const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });

  it.each<[string, object[], boolean]>([
    ['RSA', [jwk], true],
    ['EC', [EC], true],
    ['Ed25519', [PUBLIC], true],
    ['another beside one for encryption', [{ ...jwk, use: 'enc', alg: 'RSA-OAEP' }, EC], true],
    ['another beside one of an unknown kind', [{ kty: 'AKP', pub: 'x' }, PUBLIC], true],
    ['RSA for verification', [{ ...jwk, key_ops: ['verify'] }], true],
    ['RSA of 1024 bits', [short], false],
    ['RSA for encryption by its operations', [{ ...jwk, key_ops: ['encrypt', 'wrapKey'] }], false],
    ['RSA for encryption', [{ ...jwk, use: 'enc' }], false],
    ['RSA for another algorithm', [{ ...jwk, alg: 'RSA-OAEP-256' }], false],
    ['a symmetric key without its value', [{ kty: 'oct', kid: 'a' }], false],
    ['an unknown kind', [{ kty: 'AKP', pub: 'x' }], false],
    ['a curve of no algorithm', [generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })], false],
    ['a key without its parts', [{ kty: 'RSA' }], false],
    ['a key whose parts are no key', [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }], false],
  ])('needs a key that can check a token: %s', (_what, keys, isTaken) => {
    const { key, problems } = read({ JWKS_FILE: file(JSON.stringify({ keys })) });
    expect([key !== null, problems.length]).toEqual([isTaken, isTaken ? 0 : 1]);
  });

  it('names PEM in JWKS_FILE', () => {
    const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString();
    expect(read({ JWKS_FILE: file(pem) }).problems[0]?.rule).toContain('it is PEM, not JSON');
  });

  it.each([
    ['ALLOW_ANONYMOUS', 'true'],
    ['ALLOW_ANONYMOUS', 'false'],
    ['ALLOW_QUERY_TOKEN', 'true'],
    ['ALLOW_QUERY_TOKEN', 'false'],
    ['JWT_ISSUER', 'https://id.example'],
    ['JWT_AUDIENCE', 'chat'],
    ['JWT_TYPE', 'at+jwt'],
    ['JWT_MAX_AGE_S', '60'],
  ])('is missed by %s=%s, which has no effect without it', (name, value) => {
    expect(read({ [name]: value })).toMatchObject({ key: null, problems: [{ key: name, value }] });
    expect(read({ JWT_SECRET: SECRET, [name]: value }).problems).toEqual([]);
  });
});
