/** Authentication with a JWT at the reference server, from its sources: key files, rules for claims, invalid settings. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';
import {
  SECRET,
  type Claims,
  base64url,
  inSeconds,
  VALID,
  hmacToken,
  kept,
  startServer,
  clientOf,
  bearer,
  endClients,
  usersOf,
} from './token-clients.js';

afterEach(endClients);
afterAll(() => ServerProcess.stopAll());

function signedToken(claims: Claims, alg: 'RS256' | 'ES256', kid: string, key: KeyObject): string {
  const head = `${base64url({ alg, kid })}.${base64url(claims)}`;
  const signature = sign('sha256', Buffer.from(head), { key, dsaEncoding: 'ieee-p1363' });
  return kept(`${head}.${signature.toString('base64url')}`);
}

describe('With JWKS_FILE', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let server: ServerProcess;
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jwks-'));
    const keys = [
      { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa', alg: 'RS256', use: 'sig' },
      { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ec', alg: 'ES256', use: 'sig' },
    ];
    await writeFile(join(folder, 'keys.json'), JSON.stringify({ keys }));
    server = await startServer({ JWKS_FILE: join(folder, 'keys.json') });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function statusOf(token: string): Promise<number> {
    return (await clientOf(server, bearer(token)).open()).status;
  }

  it('takes tokens by RS256 and ES256', async () => {
    expect(await statusOf(signedToken({ ...VALID, sub: 'by RSA' }, 'RS256', 'rsa', rsa.privateKey))).toBe(101);
    expect(await statusOf(signedToken({ ...VALID, sub: 'by EC' }, 'ES256', 'ec', ec.privateKey))).toBe(101);
    expect(new Set(await usersOf(server))).toEqual(new Set(['by EC', 'by RSA']));
  });

  it.each<[string, () => string]>([
    ['another key', () => signedToken(VALID, 'RS256', 'rsa', other.privateKey)],
    ['a key that is not there', () => signedToken(VALID, 'RS256', 'gone', rsa.privateKey)],
    ['the name of the other key', () => signedToken(VALID, 'RS256', 'ec', rsa.privateKey)],
    ['the public key as an HMAC secret', () => publicAsSecret('pem')],
    ['the public key’s modulus as an HMAC secret', () => publicAsSecret('n')],
    ['one that has expired', () => signedToken({ ...VALID, exp: inSeconds(-1) }, 'RS256', 'rsa', rsa.privateKey)],
    ['alg none', () => `${base64url({ alg: 'none', kid: 'rsa' })}.${base64url(VALID)}.`],
    ['a key that it brings along', () => ownKey()],
  ])('refuses %s', async (_, token) => {
    expect(await statusOf(token())).toBe(401);
  });

  it('refuses no token', async () => {
    expect((await clientOf(server).open()).status).toBe(401);
  });

  /** The confusion of an asymmetric key with a symmetric one (RFC 8725, section 2.1). */
  function publicAsSecret(form: 'pem' | 'n'): string {
    const secret =
      form === 'pem'
        ? String(rsa.publicKey.export({ format: 'pem', type: 'spki' }))
        : String(rsa.publicKey.export({ format: 'jwk' }).n);
    const head = `${base64url({ alg: 'HS256', kid: 'rsa' })}.${base64url(VALID)}`;
    return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
  }

  function ownKey(): string {
    const jwk = other.publicKey.export({ format: 'jwk' });
    const head = `${base64url({ alg: 'RS256', jwk })}.${base64url(VALID)}`;
    return `${head}.${sign('sha256', Buffer.from(head), other.privateKey).toString('base64url')}`;
  }
});

describe('With JWT_ISSUER, JWT_AUDIENCE, JWT_TYPE and JWT_MAX_AGE_S', () => {
  const CLAIMS: Claims = { ...VALID, iss: 'https://id.example', aud: ['chat', 'web'], iat: inSeconds(-1) };
  const HEADER = { alg: 'HS256', typ: 'at+jwt' };
  let server: ServerProcess;

  beforeAll(async () => {
    const rules = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'chat', JWT_TYPE: 'at+jwt', JWT_MAX_AGE_S: '900' };
    server = await startServer({ JWT_SECRET: SECRET, ...rules });
  });

  const made = (change: Claims, header: Claims = HEADER) => hmacToken({ ...CLAIMS, ...change }, { header });

  it.each<[string, Claims, Claims]>([
    ['another issuer', { iss: 'https://evil.example' }, HEADER],
    ['no issuer', { iss: undefined }, HEADER],
    ['another audience', { aud: 'web' }, HEADER],
    ['no audience', { aud: undefined }, HEADER],
    ['another type', {}, { alg: 'HS256', typ: 'JWT' }],
    ['no type', {}, { alg: 'HS256' }],
    ['an age above the limit', { iat: inSeconds(-1000) }, HEADER],
    ['no time of issue', { iat: undefined }, HEADER],
  ])('refuses %s, at the upgrade and at renew', async (_what, change, header) => {
    expect((await clientOf(server, bearer(made(change, header))).open()).status).toBe(401);
    const client = clientOf(server, bearer(made({})));
    expect((await client.open()).status).toBe(101);
    client.sendEvent('renew', { token: made(change, header) });
    await until(() => client.messages.length === 1);
    expect(client.json[0]).toMatchObject({
      event: 'exception',
      data: { message: expect.stringMatching(/^The token is/) },
    });
  });

  it('admits a token with every claim, until it is too old', async () => {
    const client = clientOf(server, bearer(made({})));
    expect((await client.open()).status).toBe(101);
    client.sendEvent('renew', { token: made({}) });
    await until(() => client.messages.length === 1);
    const expiresAt = new Date((Number(CLAIMS['iat']) + 900) * 1000).toISOString();
    expect(client.json[0]).toEqual({ event: 'renewed', data: { expiresAt } });
  });
});

describe('A start that cannot be', () => {
  // Problems that can be found together, at once: a start costs more than a second of a processor.
  it.each<[string, Record<string, string>, readonly string[]]>([
    [
      'both kinds of key, a name that is nearly one of ours, and a short token of the operator',
      {
        JWT_SECRET: 'streng-geheim',
        JWKS_FILE: '/nowhere.json',
        JWT_SECRET_KEY: 'streng-geheim',
        ADMIN_TOKEN: 'streng-geheim',
      },
      ['JWKS_FILE is "/nowhere.json" but must not be set', 'did you mean JWT_SECRET', 'ADMIN_TOKEN is'],
    ],
    ['a short secret', { JWT_SECRET: 'streng-geheim' }, ['JWT_SECRET is']],
    [
      'an empty secret, and a file that is no set of keys',
      { JWT_SECRET: '', JWKS_FILE: 'package.json' },
      ['JWT_SECRET is', 'JWKS_FILE is'],
    ],
    ['a file that is not there', { JWKS_FILE: '/nowhere.json' }, ['JWKS_FILE is']],
    ['anonymous clients where no token is read', { ALLOW_ANONYMOUS: 'true' }, ['ALLOW_ANONYMOUS is']],
    ['no anonymous clients without a key', { ALLOW_ANONYMOUS: 'false' }, ['every client is anonymous']],
  ])('because of %s, names each variable and no secret', async (_, env, names) => {
    const server = ServerProcess.spawn({ env });
    expect((await server.exited).code).toBe(1);
    for (const name of names) expect(server.stderr).toContain(name);
    expect(server.output).not.toContain('streng-geheim');
  });
});
