import { beforeAll, describe, expect, it } from '@jest/globals';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

import * as fc from 'fast-check';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

import { ClientTokens, type ClientTokenSettings } from './client-tokens.js';
import { RefusalLog } from './refusal-log.js';
import { NO_RULES } from './token-rules.js';

const SECRET = 'ein Geheimnis mit Ümläuten, lang genug für jedes Verfahren, auch für HS512.';
const bytes = (text: string) => new TextEncoder().encode(text);
const now = () => Math.floor(Date.now() / 1000);

/** A token that ends in a minute, unless its claims say otherwise. */
const sign = (payload: JWTPayload, alg = 'HS256', key: CryptoKey | Uint8Array = bytes(SECRET), typ?: string) =>
  new SignJWT({ exp: now() + 60, ...payload }).setProtectedHeader({ alg, ...(typ && { typ }) }).sign(key);

const tokensOf = (settings: Partial<ClientTokenSettings> = {}, refusals = new RefusalLog(() => undefined)) =>
  new ClientTokens(
    { key: { secret: SECRET }, rules: NO_RULES, allowAnonymous: false, allowQueryToken: false, ...settings },
    refusals,
  );

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('identityOf with a secret', () => {
  const tokens = tokensOf();

  it.each(['HS256', 'HS384', 'HS512'])('knows the user of a token by %s, with the secret’s UTF-8 bytes', async alg => {
    expect(await tokens.identityOf(await sign({ sub: 'ann' }, alg))).toMatchObject({ userId: 'ann' });
  });

  it('ends when the token ends', async () => {
    const exp = now() + 60;
    expect(await tokens.identityOf(await sign({ sub: 'ann', exp }))).toEqual({ userId: 'ann', expiresAt: exp * 1000 });
  });

  it.each<[string, () => Promise<string> | string]>([
    ['that has ended', () => sign({ sub: 'ann', exp: now() - 1 })],
    ['that has not begun', () => sign({ sub: 'ann', nbf: now() + 60 })],
    ['whose end is no number', () => sign({ sub: 'ann', exp: 'never' as unknown as number })],
    ['of nobody', () => sign({ exp: now() + 60 })],
    ['of an empty user', () => sign({ sub: '' })],
    ['of a user that is an object', () => sign({ sub: { id: 'ann' } as unknown as string })],
    ['of another secret', () => sign({ sub: 'ann' }, 'HS256', bytes(`${SECRET}.`))],
    ['without a signature', () => `${part({ alg: 'none' })}.${part({ sub: 'ann' })}.`],
    [
      'that only says it needs no signature',
      async () => `${part({ alg: 'none' })}.${(await sign({ sub: 'ann' })).split('.').slice(1).join('.')}`,
    ],
    ['that lost its signature', async () => `${(await sign({ sub: 'ann' })).split('.').slice(0, 2).join('.')}.`],
    [
      'with another user put in',
      async () =>
        (await sign({ sub: 'ann' }))
          .split('.')
          .with(1, part({ sub: 'bob' }))
          .join('.'),
    ],
    [
      'that asks for what we do not know',
      () =>
        new SignJWT({ sub: 'ann' })
          .setProtectedHeader({ alg: 'HS256', crit: ['b64'], b64: true })
          .sign(bytes('another')),
    ],
    ['of nothing', () => ''],
    ['of dots', () => '..'],
    ['of one part', () => 'token'],
    ['with more behind it', async () => `${await sign({ sub: 'ann' })}.x`],
    ['with a blank before it', async () => ` ${await sign({ sub: 'ann' })}`],
  ])('refuses a token %s', async (_what, make) => {
    expect(await tokens.identityOf(await make())).toBeNull();
  });

  it('refuses any text', async () => {
    const anyPart = fc.oneof(fc.string(), fc.jsonValue().map(part));
    await fc.assert(
      fc.asyncProperty(fc.array(anyPart, { maxLength: 4 }), async parts => {
        expect(await tokens.identityOf(parts.join('.'))).toBeNull();
      }),
    );
  });
});

describe('identityOf with a set of keys', () => {
  let tokens: ClientTokens;
  const pairs = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>();
  let publicPem: string;

  beforeAll(async () => {
    const algorithms = ['RS256', 'ES256', 'EdDSA'];
    for (const alg of algorithms) pairs.set(alg, await generateKeyPair(alg, { extractable: true }));
    const keys = await Promise.all(
      [...pairs].map(async ([alg, { publicKey }]) => ({ ...(await exportJWK(publicKey)), alg })),
    );
    publicPem = await exportSPKI(pairs.get('RS256')!.publicKey);
    tokens = tokensOf({ key: { jwks: { keys } } });
  });

  it.each(['RS256', 'ES256', 'EdDSA'])('knows the user of a token by %s', async alg => {
    expect(await tokens.identityOf(await sign({ sub: 'ann' }, alg, pairs.get(alg)!.privateKey))).toMatchObject({
      userId: 'ann',
    });
  });

  it.each<[string, () => Promise<string> | string]>([
    [
      'of a key that is not in the set',
      async () => sign({ sub: 'ann' }, 'ES256', (await generateKeyPair('ES256')).privateKey),
    ],
    // The confusion of RFC 8725, section 2.1: a public key taken for a secret.
    ['signed with a public key as a secret', () => sign({ sub: 'ann' }, 'HS256', bytes(publicPem))],
    ['signed with any secret', () => sign({ sub: 'ann' })],
    ['without a signature', () => `${part({ alg: 'none' })}.${part({ sub: 'ann' })}.`],
    ['that has ended', () => sign({ sub: 'ann', exp: now() - 1 }, 'ES256', pairs.get('ES256')!.privateKey)],
  ])('refuses a token %s', async (_what, make) => {
    expect(await tokens.identityOf(await make())).toBeNull();
  });
});

const ask = (tokens: ClientTokens, headers: IncomingHttpHeaders, url = '/ws') =>
  tokens.authenticate({ headers, url } as IncomingMessage, new AbortController().signal);
const userIn = async (tokens: ClientTokens, headers: IncomingHttpHeaders, url?: string) => {
  const answer = await ask(tokens, headers, url);
  return typeof answer === 'object' ? (answer?.userId ?? null) : answer;
};

describe('authenticate', () => {
  let ann: string;
  let bob: string;
  let eve: string;

  beforeAll(async () => {
    [ann, bob, eve] = (await Promise.all(['ann', 'bob', 'eve'].map(sub => sign({ sub })))) as [string, string, string];
  });

  it.each<[string, () => IncomingHttpHeaders, string | null]>([
    ['the header', () => ({ authorization: `Bearer ${ann}` }), 'ann'],
    ['the header, whatever the case of its scheme', () => ({ authorization: `bearer   ${ann} ` }), 'ann'],
    ['the subprotocol', () => ({ 'sec-websocket-protocol': `heartbeat.v1, bearer.${bob}` }), 'bob'],
    ['the subprotocol in any place', () => ({ 'sec-websocket-protocol': `bearer.${bob},heartbeat.v1` }), 'bob'],
    [
      'the header before the subprotocol',
      () => ({ authorization: `Bearer ${ann}`, 'sec-websocket-protocol': `bearer.${bob}` }),
      'ann',
    ],
    [
      'the header alone, also where it is wrong',
      () => ({ authorization: 'Bearer x', 'sec-websocket-protocol': `bearer.${bob}` }),
      null,
    ],
    [
      'the subprotocol where the header has another scheme',
      () => ({ authorization: 'Basic eDp5', 'sec-websocket-protocol': `bearer.${bob}` }),
      'bob',
    ],
    ['the first of two subprotocols', () => ({ 'sec-websocket-protocol': `bearer.${ann}, bearer.${bob}` }), 'ann'],
    ['no subprotocol that is empty', () => ({ 'sec-websocket-protocol': 'bearer.' }), null],
    ['no other subprotocol', () => ({ 'sec-websocket-protocol': `token.${ann}` }), null],
    ['no two words in the header', () => ({ authorization: `Bearer ${ann} ${bob}` }), null],
    ['no cookie', () => ({ cookie: `access_token=${ann}` }), null],
  ])('takes %s', async (_what, headers, user) => {
    expect(await userIn(tokensOf(), headers())).toBe(user);
  });

  it('takes the query only where that is allowed, and last', async () => {
    const allowed = tokensOf({ allowQueryToken: true });
    const url = `/ws?a=b&access_token=${eve}`;
    expect(await userIn(tokensOf(), {}, url)).toBeNull();
    expect(await userIn(allowed, {}, url)).toBe('eve');
    expect(await userIn(allowed, { authorization: `Bearer ${ann}` }, url)).toBe('ann');
    expect(await userIn(allowed, { 'sec-websocket-protocol': `bearer.${bob}` }, url)).toBe('bob');
    expect(await userIn(allowed, { 'sec-websocket-protocol': 'bearer.x' }, url)).toBeNull();
    expect(await userIn(allowed, {}, `/ws?access=${eve}`)).toBeNull();
    expect(await userIn(allowed, {}, '/ws')).toBeNull();
  });

  it('refuses a client without a token, unless anonymous clients are allowed', async () => {
    expect(await ask(tokensOf(), {})).toBeNull();
    expect(await ask(tokensOf({ allowAnonymous: true }), {})).toBe('anonymous');
  });

  it('refuses a wrong token also where anonymous clients are allowed', async () => {
    const tokens = tokensOf({ allowAnonymous: true, allowQueryToken: true });
    expect(await ask(tokens, { authorization: 'Bearer x' })).toBeNull();
    expect(await ask(tokens, { 'sec-websocket-protocol': 'bearer.' })).toBeNull();
    expect(await ask(tokens, {}, '/ws?access_token=x')).toBeNull();
    expect(await ask(tokens, {}, '/ws?access_token=')).toBeNull();
  });
});
