/** Authentication with a JWT at the reference server, from its sources. Tokens are made by hand here. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../support/clients/ask.js';
import type { HttpAnswer } from '../support/clients/http-answer.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const FROM_SOURCE = {
  entry: 'apps/server/src/main.ts',
  nodeArgs: ['--import', './test/support/run-typescript.mjs'],
} as const;
const ADMIN_TOKEN = 'an-operator-of-this-test';
const SECRET = 'ein Schlüssel, dessen UTF-8 mehr Bytes hat als Zeichen';

type Claims = Readonly<Record<string, unknown>>;

const clients: RawClient[] = [];
/** Every token that a client has shown; none may turn up anywhere. */
const shown: string[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => ServerProcess.stopAll());

function base64url(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** Seconds since 1970, as JWTs count. */
function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

const VALID: Claims = { sub: 'ann', exp: inSeconds(3600) };

function hmacToken(
  claims: unknown,
  { alg = 'HS256', secret = SECRET, header }: { alg?: string; secret?: string; header?: Claims } = {},
): string {
  const head = `${base64url(header ?? { alg, typ: 'JWT' })}.${base64url(claims)}`;
  const signature = createHmac(`sha${alg.slice(2)}`, Buffer.from(secret, 'utf8'))
    .update(head)
    .digest('base64url');
  return kept(`${head}.${signature}`);
}

function signedToken(claims: Claims, alg: 'RS256' | 'ES256', kid: string, key: KeyObject): string {
  const head = `${base64url({ alg, kid })}.${base64url(claims)}`;
  const signature = sign('sha256', Buffer.from(head), { key, dsaEncoding: 'ieee-p1363' });
  return kept(`${head}.${signature.toString('base64url')}`);
}

function kept(token: string): string {
  shown.push(token);
  return token;
}

async function startServer(env: Record<string, string>): Promise<ServerProcess> {
  return ServerProcess.start({
    ...FROM_SOURCE,
    env: { ADMIN_TOKEN, LOG_LEVEL: 'verbose', REAPER_CRON: '* * * * * *', ...env },
  });
}

function clientOf({ port }: ServerProcess, headers: Record<string, string> = {}, query = ''): RawClient {
  const client = new RawClient({ port, path: `/ws${query}`, headers });
  clients.push(client);
  return client;
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
}

async function admin({ port }: ServerProcess, path: string) {
  return ask({ port, path: `/admin${path}`, headers: bearer(ADMIN_TOKEN) });
}

/** The users of the open connections, as an operator sees them. */
async function usersOf(server: ServerProcess): Promise<(string | null)[]> {
  const { json } = await admin(server, '/connections');
  return (json as { items: { userId: string | null }[] }).items.map(({ userId }) => userId);
}

/** A good token under another header. */
function swapped(header: Claims): string {
  const [, claims, signature] = hmacToken(VALID).split('.');
  return kept([base64url(header), claims, signature].join('.'));
}

function forged(): string {
  const [header, , signature] = hmacToken(VALID).split('.');
  return kept([header, base64url({ ...VALID, sub: 'admin' }), signature].join('.'));
}

function latin1Token(): string {
  const head = `${base64url({ alg: 'HS256' })}.${base64url(VALID)}`;
  return kept(`${head}.${createHmac('sha256', Buffer.from(SECRET, 'latin1')).update(head).digest('base64url')}`);
}

function criticalToken(): string {
  const head = `${base64url({ alg: 'HS256', crit: ['exp'], exp: 1 })}.${base64url(VALID)}`;
  return kept(`${head}.${createHmac('sha256', SECRET).update(head).digest('base64url')}`);
}

describe('With JWT_SECRET', () => {
  let server: ServerProcess;
  const answers: HttpAnswer[] = [];

  beforeAll(async () => {
    server = await startServer({ JWT_SECRET: SECRET });
  });

  async function open(headers: Record<string, string>, query = ''): Promise<{ client: RawClient; answer: HttpAnswer }> {
    const client = clientOf(server, headers, query);
    const answer = await client.open();
    answers.push(answer);
    return { client, answer };
  }

  it.each(['HS256', 'HS384', 'HS512'])('a token by %s in the header is its user', async alg => {
    const { answer } = await open(bearer(hmacToken({ ...VALID, sub: `user of ${alg}` }, { alg })));
    expect(answer.status).toBe(101);
    expect(await usersOf(server)).toEqual([`user of ${alg}`]);
  });

  it('a token in a subprotocol is its user, and is not what is answered', async () => {
    const { answer } = await open({ 'Sec-WebSocket-Protocol': `heartbeat.v1, bearer.${hmacToken(VALID)}` });
    expect({ status: answer.status, protocol: answer.headers['sec-websocket-protocol'] }).toEqual({
      status: 101,
      protocol: 'heartbeat.v1',
    });
    expect(await usersOf(server)).toEqual(['ann']);
  });

  it('a token in a subprotocol alone is never sent back, whatever the order', async () => {
    const token = hmacToken(VALID);
    const alone = await open({ 'Sec-WebSocket-Protocol': `bearer.${token}` });
    expect(alone.answer.headers['sec-websocket-protocol']).toBeUndefined();
    const first = await open({ 'Sec-WebSocket-Protocol': `bearer.${token}, heartbeat.v1` });
    expect(first.answer.headers['sec-websocket-protocol']).toBe('heartbeat.v1');
  });

  it.each<[string, () => Record<string, string>]>([
    ['no token', () => ({})],
    ['an empty one', () => ({ Authorization: 'Bearer ' })],
    ['another scheme', () => ({ Authorization: `Basic ${hmacToken(VALID)}` })],
    ['words', () => bearer('words')],
    ['dots', () => bearer('..')],
    ['nothing that is JSON', () => bearer('bm8.bm8.bm8')],
    ['a header that is null', () => bearer(`${base64url('null')}.${base64url(VALID)}.AAAA`)],
    ['a header that is a list', () => bearer(`${base64url([])}.${base64url(VALID)}.AAAA`)],
    ['an alg that is an object', () => bearer(`${base64url({ alg: {} })}.${base64url(VALID)}.AAAA`)],
    ['8 kB of anything', () => bearer('x'.repeat(8000))],
    ['alg none', () => bearer(kept(`${base64url({ alg: 'none' })}.${base64url(VALID)}.`))],
    ['alg None', () => bearer(kept(`${base64url({ alg: 'None' })}.${base64url(VALID)}.`))],
    ['alg none with a good signature', () => bearer(swapped({ alg: 'none' }))],
    ['another key', () => bearer(hmacToken(VALID, { secret: 'wrong' }))],
    ['the key in Latin-1', () => bearer(latin1Token())],
    ['an empty key', () => bearer(hmacToken(VALID, { secret: '' }))],
    ['a signature cut off', () => bearer(hmacToken(VALID).slice(0, -4))],
    ['no signature', () => bearer(hmacToken(VALID).replace(/[^.]*$/, ''))],
    ['other claims under the signature', () => bearer(forged())],
    ['one that has expired', () => bearer(hmacToken({ ...VALID, exp: inSeconds(-10) }))],
    ['one that is not yet valid', () => bearer(hmacToken({ ...VALID, nbf: inSeconds(600) }))],
    ['one without a user', () => bearer(hmacToken({ exp: inSeconds(600) }))],
    ['one whose user is empty', () => bearer(hmacToken({ ...VALID, sub: '' }))],
    ['one whose user is a fraction', () => bearer(hmacToken({ ...VALID, sub: 7.5 }))],
    ['one without an end', () => bearer(hmacToken({ sub: 'ann' }))],
    ['one that never ends', () => bearer(hmacToken({ ...VALID, exp: 1e300 }))],
    ['one for an audience', () => bearer(hmacToken({ ...VALID, aud: 'another service' }))],
    ['an ID token', () => bearer(hmacToken({ ...VALID, nonce: 'n', at_hash: 'h' }))],
    ['a logout token', () => bearer(hmacToken({ ...VALID, events: {} }))],
    ['a refresh token', () => bearer(hmacToken({ ...VALID, typ: 'Refresh' }))],
    ['one whose user is an object', () => bearer(hmacToken({ ...VALID, sub: { id: 'ann' } }))],
    ['one whose end is a text', () => bearer(hmacToken({ ...VALID, exp: 'never' }))],
    ['one whose claims are a list', () => bearer(hmacToken([VALID]))],
    ['an extension that is critical', () => bearer(criticalToken())],
    ['a token in a subprotocol that is wrong', () => ({ 'Sec-WebSocket-Protocol': 'heartbeat.v1, bearer.wrong' })],
  ])('refuses %s with 401', async (_, headers) => {
    const { answer } = await open(headers());
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 401, type: expect.stringMatching(/unauthenticated$/) });
    expect(answer.headers['sec-websocket-protocol']).toBeUndefined();
  });

  it('takes no token from the query', async () => {
    const { answer } = await open({}, `?access_token=${hmacToken(VALID)}`);
    expect(answer.status).toBe(401);
  });

  it('lets only the identified broadcast, and they are', async () => {
    const { client } = await open(bearer(hmacToken(VALID)));
    const { client: other } = await open(bearer(hmacToken({ ...VALID, sub: 'bob' })));
    client.sendEvent('broadcast', 'hello');
    await until(() => client.messages.length > 0 && other.messages.length > 0);
    expect([client, other].map(({ json }) => json)).toEqual([
      [{ event: 'broadcast', data: 'hello' }],
      [{ event: 'broadcast', data: 'hello' }],
    ]);
  });

  it('ends a connection with 4503 after its token', async () => {
    const { client } = await open(bearer(hmacToken({ sub: 'ann', exp: inSeconds(2) })));
    const openedAt = Date.now();
    expect(await client.ended).toMatchObject({ code: 4503, reason: 'unauthenticated' });
    expect(Date.now() - openedAt).toBeGreaterThan(900);
    expect(Date.now() - openedAt).toBeLessThan(5000);
  });

  it('takes a number as the text of a user', async () => {
    const { answer } = await open(bearer(hmacToken({ ...VALID, sub: 7 })));
    expect([answer.status, await usersOf(server)]).toEqual([101, ['7']]);
  });

  it('logs why a token was refused, once a minute for each reason', async () => {
    for (let i = 0; i < 3; i++) await open(bearer(hmacToken({ ...VALID, aud: 'another service' })));
    const lines = server.output.split('\n').filter(line => line.includes('set JWT_AUDIENCE'));
    expect(lines).toHaveLength(1);
  });

  it('keeps one whose token ends later', async () => {
    const { client } = await open(bearer(hmacToken(VALID)));
    const { client: ending } = await open(bearer(hmacToken({ sub: 'bob', exp: inSeconds(2) })));
    await ending.ended;
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    expect(client.closeFrame).toBeNull();
  });

  it('renews a connection by a newer token of the same user, and by nothing else', async () => {
    const { client } = await open(bearer(hmacToken({ sub: 'ann', exp: inSeconds(3) })));
    const { client: other } = await open(bearer(hmacToken({ sub: 'ann', exp: inSeconds(3) })));
    const exp = inSeconds(600);
    client.sendEvent('renew', { token: hmacToken({ sub: 'ann', exp }) });
    await until(() => client.messages.length === 1);
    expect(client.json).toEqual([{ event: 'renewed', data: { expiresAt: new Date(exp * 1000).toISOString() } }]);
    for (const data of [
      { token: hmacToken({ sub: 'bob', exp }) },
      { token: hmacToken({ sub: 'ann', exp: inSeconds(-1) }) },
      { token: hmacToken({ sub: 'ann' }) },
      { token: hmacToken({ sub: 'ann', exp: 1e300 }) },
      { token: hmacToken({ sub: 'ann', exp: String(exp) }) },
      { token: hmacToken({ sub: 'ann', exp, aud: 'another service' }) },
      { token: hmacToken({ sub: 'ann', exp, typ: 'Refresh' }) },
      { token: hmacToken({ sub: 'ann', exp }, { secret: 'wrong' }) },
      { token: 7 },
      { token: null },
      {},
      null,
      'text',
    ]) {
      const before = other.messages.length;
      other.sendEvent('renew', data);
      await until(() => other.messages.length === before + 1);
      expect(other.json.at(-1)).toMatchObject({ event: 'exception' });
    }
    expect((await other.ended).code).toBe(4503);
    client.sendEvent('echo', 'still here');
    await until(() => client.messages.length === 2);
    expect(client.closeFrame).toBeNull();
  });

  it('shows no token in any log line, answer or admin view, nor the secret', async () => {
    const { client } = await open(bearer(hmacToken(VALID)));
    await open({ 'Sec-WebSocket-Protocol': `heartbeat.v1, bearer.${hmacToken(VALID)}` });
    client.sendEvent('renew', { token: hmacToken({ ...VALID, sub: 'carl' }) });
    client.sendEvent(hmacToken(VALID));
    await until(() => client.messages.length === 2);
    const list = await admin(server, '/connections');
    const [{ id }] = (list.json as { items: [{ id: string }] }).items;
    const views = await Promise.all(
      [`/connections/${encodeURIComponent(id)}`, '/closed', '/audit', '/stats', '/nodes'].map(path =>
        admin(server, path),
      ),
    );
    const everything = [
      server.output,
      list.text,
      ...views.map(({ text }) => text),
      ...answers.map(answer => JSON.stringify(answer)),
      ...client.texts,
    ].join('\n');
    expect(everything.length).toBeGreaterThan(5000);
    expect(shown.length).toBeGreaterThan(20);
    // The signature is what makes a token; the rest may be guessed.
    const leaked = shown.filter(token => {
      const signature = token.split('.')[2] ?? '';
      return everything.includes(token) || (signature.length > 8 && everything.includes(signature));
    });
    expect(leaked).toEqual([]);
    expect(everything).not.toContain(SECRET);
  });
});

const OTHER_SECRET = 'another secret of at least thirty-two bytes';

function ofX(claims: Claims): string {
  return hmacToken(claims, { secret: OTHER_SECRET });
}

describe('With ALLOW_ANONYMOUS and ALLOW_QUERY_TOKEN', () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServer({ JWT_SECRET: OTHER_SECRET, ALLOW_ANONYMOUS: 'true', ALLOW_QUERY_TOKEN: 'true' });
  });

  it('a client without a token is anonymous, may not broadcast, and may identify later', async () => {
    const client = clientOf(server);
    expect((await client.open()).status).toBe(101);
    expect(await usersOf(server)).toEqual([null]);
    client.sendEvent('broadcast', 'hello');
    await until(() => client.messages.length === 1);
    expect(client.json[0]).toMatchObject({ event: 'exception' });
    client.sendEvent('renew', { token: ofX(VALID) });
    await until(() => client.messages.length === 2);
    expect(await usersOf(server)).toEqual(['ann']);
    client.sendEvent('broadcast', 'hello');
    await until(() => client.texts.at(-1) === '{"event":"broadcast","data":"hello"}');
  });

  it('a wrong token is refused all the same', async () => {
    expect((await clientOf(server, bearer('wrong')).open()).status).toBe(401);
    expect((await clientOf(server, {}, '?access_token=wrong').open()).status).toBe(401);
    expect((await clientOf(server, { 'Sec-WebSocket-Protocol': 'heartbeat.v1, bearer.wrong' }).open()).status).toBe(
      401,
    );
  });

  it('a token in the query is its user, and is seen nowhere', async () => {
    const secret = ofX(VALID);
    expect((await clientOf(server, {}, `?a=1&access_token=${secret}`).open()).status).toBe(101);
    expect(await usersOf(server)).toEqual(['ann']);
    const list = await admin(server, '/connections');
    expect(list.text).toContain('"path":"/ws"');
    const closed = await admin(server, '/closed');
    for (const text of [list.text, closed.text, server.output]) expect(text).not.toContain(secret.split('.')[2]);
  });

  it('a later token whose user is no text identifies no user', async () => {
    const client = clientOf(server);
    await client.open();
    client.sendEvent('renew', { token: ofX({ sub: 7.5, exp: inSeconds(600) }) });
    await until(() => client.messages.length === 1);
    expect(client.json[0]).toMatchObject({ event: 'exception' });
    expect(await usersOf(server)).toEqual([null]);
  });
});

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
  it.each<[string, Record<string, string>, string]>([
    ['both kinds of key', { JWT_SECRET: 'streng-geheim', JWKS_FILE: '/nowhere.json' }, 'JWKS_FILE'],
    ['a short secret', { JWT_SECRET: 'streng-geheim' }, 'JWT_SECRET'],
    ['an empty secret', { JWT_SECRET: '' }, 'JWT_SECRET'],
    ['a name that is nearly one of ours', { JWT_SECRET_KEY: 'streng-geheim' }, 'did you mean JWT_SECRET'],
    ['a short token of the operator', { ADMIN_TOKEN: 'streng-geheim' }, 'ADMIN_TOKEN'],
    ['a file that is not there', { JWKS_FILE: '/nowhere.json' }, 'JWKS_FILE'],
    ['a file that is no set of keys', { JWKS_FILE: 'package.json' }, 'JWKS_FILE'],
    ['anonymous clients where no token is read', { ALLOW_ANONYMOUS: 'true' }, 'ALLOW_ANONYMOUS'],
    ['no anonymous clients without a key', { ALLOW_ANONYMOUS: 'false' }, 'every client is anonymous'],
  ])('because of %s, names the variable and no secret', async (_, env, name) => {
    const server = ServerProcess.spawn({ ...FROM_SOURCE, env });
    expect((await server.exited).code).toBe(1);
    expect(server.stderr).toContain(name);
    expect(server.output).not.toContain('streng-geheim');
  });
});
