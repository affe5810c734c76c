import { describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';

import type { Problem } from 'nestjs-heartbeat';

import { ClientTokens } from './client-tokens.js';
import { RefusalLog } from './refusal-log.js';
import { NO_RULES, readTokenRules, type TokenRules } from './token-rules.js';

const SECRET = 'a secret of at least thirty-two bytes';
const now = () => Math.floor(Date.now() / 1000);
type Claims = Readonly<Record<string, unknown>>;

/** Signed by hand, for claims that a library would not sign. A text stands for the JSON of the claims itself. */
function token(claims: Claims | string, header: Claims = {}): string {
  const json = typeof claims === 'string' ? claims : JSON.stringify({ sub: 'ann', exp: now() + 60, ...claims });
  const parts = [JSON.stringify({ alg: 'HS256', ...header }), json].map(text =>
    Buffer.from(text).toString('base64url'),
  );
  const head = parts.join('.');
  return `${head}.${createHmac('sha256', SECRET).update(head).digest('base64url')}`;
}

/** The user of a token, or the logged reason of its refusal. */
async function verdictOn(text: string, rules: Partial<TokenRules> = {}): Promise<string> {
  const lines: string[] = [];
  const settings = { key: { secret: SECRET }, allowAnonymous: true, allowQueryToken: false };
  const tokens = new ClientTokens(
    { ...settings, rules: { ...NO_RULES, ...rules } },
    new RefusalLog(line => lines.push(line)),
  );
  const identity = await tokens.identityOf(text);
  expect(lines).toHaveLength(identity === null ? 1 : 0);
  return identity === null ? lines[0]! : `user ${identity.userId}`;
}

describe('A token with a valid signature', () => {
  it.each<[string, Claims, Claims, Partial<TokenRules>]>([
    ['plain', {}, {}, {}],
    ['typ JWT', {}, { typ: 'JWT' }, {}],
    ['typ at+jwt', {}, { typ: 'at+jwt' }, {}],
    ['typ application/at+jwt', {}, { typ: 'application/AT+JWT' }, {}],
    ['an access token of Keycloak', { typ: 'Bearer', nonce: 'n', azp: 'web', session_state: 's' }, { typ: 'JWT' }, {}],
    ['an access token of Cognito', { token_use: 'access', client_id: 'c' }, {}, {}],
    ['token_type access', { token_type: 'access' }, {}, {}],
    ['a type of the application', { type: 'user', purpose: 'chat' }, {}, {}],
    ['scopes of the application', { scope: 'refresh offline_access chat', scp: ['chat'], scopes: [] }, {}, {}],
    ['its issuer', { iss: 'https://id.example' }, {}, { issuers: ['https://id.example'] }],
    ['one of two issuers', { iss: 'b' }, {}, { issuers: ['a', 'b'] }],
    ['any issuer where none is configured', { iss: 'https://id.example' }, {}, {}],
    ['its audience', { aud: 'chat' }, {}, { audiences: ['chat'] }],
    ['its audience among others', { aud: ['web', 'chat'] }, {}, { audiences: ['api', 'chat'] }],
    ['the configured type', {}, { typ: 'chat+jwt' }, { type: 'chat+jwt' }],
    ['the configured type in another spelling', {}, { typ: 'application/Chat+JWT' }, { type: 'chat+jwt' }],
    ['a young one', { iat: now() - 10 }, {}, { maxAgeS: 60 }],
    ['nbf in the past', { nbf: now() - 10 }, {}, {}],
    ['exp with a fraction', { exp: now() + 60.5 }, {}, {}],
  ])('is admitted: %s', async (_what, claims, header, rules) => {
    expect(await verdictOn(token(claims, header), rules)).toBe('user ann');
  });

  it.each<[string, Claims | string, Claims, Partial<TokenRules>, string]>([
    ['another issuer', { iss: 'https://evil.example' }, {}, { issuers: ['https://id.example'] }, 'JWT_ISSUER'],
    [
      'an issuer that begins alike',
      { iss: 'https://id.example.evil' },
      {},
      { issuers: ['https://id.example'] },
      'JWT_ISSUER',
    ],
    ['no issuer', {}, {}, { issuers: ['https://id.example'] }, 'JWT_ISSUER'],
    ['another audience', { aud: 'billing' }, {}, { audiences: ['chat'] }, 'JWT_AUDIENCE'],
    ['no audience', {}, {}, { audiences: ['chat'] }, 'JWT_AUDIENCE'],
    ['an empty list of audiences', { aud: [] }, {}, { audiences: ['chat'] }, 'JWT_AUDIENCE'],
    ['an audience that is an object', { aud: { chat: true } }, {}, { audiences: ['chat'] }, 'JWT_AUDIENCE'],
    ['an audience where none is configured', { aud: 'chat' }, {}, {}, 'set JWT_AUDIENCE'],
    ['a list of audiences where none is configured', { aud: ['chat'] }, {}, {}, 'set JWT_AUDIENCE'],
    ['an empty audience where none is configured', { aud: '' }, {}, {}, 'set JWT_AUDIENCE'],
    ['an audience that is null', { aud: null }, {}, {}, 'set JWT_AUDIENCE'],
    ['the typ of a logout token', {}, { typ: 'logout+jwt' }, {}, 'another kind'],
    ['the typ of a refresh token', {}, { typ: 'refresh+jwt' }, {}, 'another kind'],
    ['the typ of a proof of possession', {}, { typ: 'dpop+jwt' }, {}, 'another kind'],
    ['a typ that is a number', {}, { typ: 7 }, {}, 'another kind'],
    ['the plain typ where one is configured', {}, { typ: 'JWT' }, { type: 'at+jwt' }, 'JWT_TYPE'],
    ['no typ where one is configured', {}, {}, { type: 'at+jwt' }, 'JWT_TYPE'],
    [
      'a logout event',
      { events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, sid: 's' },
      { typ: 'JWT' },
      {},
      'logout',
    ],
    ['a security event', { events: {} }, { typ: 'JWT' }, {}, 'logout'],
    ['a logout event under the configured type', { events: {} }, { typ: 'x+jwt' }, { type: 'x+jwt' }, 'logout'],
    ['an ID token by its hash', { at_hash: 'h', auth_time: 1 }, { typ: 'JWT' }, {}, 'ID token'],
    ['an ID token by its code hash', { c_hash: 'h' }, {}, {}, 'ID token'],
    ['an ID token by its nonce', { nonce: 'n' }, {}, {}, 'ID token'],
    ['an ID token of Keycloak', { typ: 'ID', nonce: 'n' }, { typ: 'JWT' }, {}, 'ID token'],
    ['an ID token of Keycloak without a nonce', { typ: 'ID' }, { typ: 'JWT' }, {}, 'claim typ'],
    ['an ID token of Cognito', { token_use: 'id' }, {}, {}, 'claim token_use'],
    ['an ID token for the configured audience', { aud: 'chat', nonce: 'n' }, {}, { audiences: ['chat'] }, 'ID token'],
    ['a refresh token of Keycloak', { typ: 'Refresh' }, { typ: 'JWT' }, {}, 'claim typ'],
    ['an offline token of Keycloak', { typ: 'Offline' }, { typ: 'JWT' }, {}, 'claim typ'],
    ['a refresh token by token_type', { token_type: 'refresh' }, {}, {}, 'claim token_type'],
    ['a refresh token by type', { type: 'refresh' }, {}, {}, 'claim type'],
    ['a token for a new password', { purpose: 'password-reset' }, {}, {}, 'claim purpose'],
    ['a refresh token by tokenUse', { tokenUse: 'refresh' }, {}, {}, 'claim tokenUse'],
    ['a refresh token by one of its types', { type: ['user', 'refresh'] }, {}, {}, 'claim type'],
    ['a refresh token by its scope', { scope: 'refresh' }, {}, {}, 'claim scope'],
    ['a refresh token by its list of scopes', { scopes: ['REFRESH_TOKEN'] }, {}, {}, 'claim scopes'],
    ['a token for a second factor', { purpose: 'mfa' }, {}, {}, 'claim purpose'],
    ['a token for a one-time password', { type: 'otp_pending' }, {}, {}, 'claim type'],
    ['a token of a link in a mail', { use: 'magic-link' }, {}, {}, 'claim use'],
    ['a kind that is a number', { token_use: 1 }, {}, {}, 'claim token_use'],
    ['no exp', { exp: undefined }, {}, {}, 'exp'],
    ['no exp, but an age', { exp: undefined, iat: now() }, {}, { maxAgeS: 60 }, 'exp'],
    ['an exp of 1e300', { exp: 1e300 }, {}, {}, 'exp'],
    ['an exp beyond every calendar', { exp: 8.64e12 + 1 }, {}, {}, 'exp'],
    ['an exp that is infinite', '{"sub":"ann","exp":1e999}', {}, {}, 'exp'],
    ['an exp before 1970', { exp: -5 }, {}, {}, 'expired'],
    ['an exp of minus infinity', '{"sub":"ann","exp":-1e999}', {}, {}, 'expired'],
    ['an exp that is a text', { exp: '9999999999' }, {}, {}, 'exp'],
    ['an exp that is null', { exp: null }, {}, {}, 'exp'],
    ['an exp that is a list', { exp: [9_999_999_999] }, {}, {}, 'exp'],
    ['an exp in the past', { exp: now() - 1 }, {}, {}, 'expired'],
    ['an nbf in the future', { nbf: now() + 60 }, {}, {}, 'nbf'],
    ['an nbf of 1e300', { nbf: 1e300 }, {}, {}, 'nbf'],
    ['an nbf that is a text', { nbf: 'now' }, {}, {}, 'nbf'],
    ['too old', { iat: now() - 61 }, {}, { maxAgeS: 60 }, 'JWT_MAX_AGE_S'],
    ['no iat for the age', {}, {}, { maxAgeS: 60 }, 'iat'],
    ['an iat in the future', { iat: now() + 60 }, {}, { maxAgeS: 60 }, 'iat'],
    [
      'an iat of minus infinity',
      `{"sub":"ann","exp":${now() + 60},"iat":-1e999}`,
      {},
      { maxAgeS: 60 },
      'JWT_MAX_AGE_S',
    ],
    ['an iat that is a text', { iat: 'now' }, {}, { maxAgeS: 60 }, 'iat'],
    ['another alg', {}, { alg: 'RS256' }, {}, 'JWKS_FILE'],
    ['an extension that is critical', {}, { crit: ['x'], x: 'raw\nclient text' }, {}, 'no JWT that can be read'],
  ])('is refused, and the log has the reason: %s', async (_what, claims, header, rules, reason) => {
    const verdict = await verdictOn(token(claims, header), rules);
    expect(verdict).toMatch(/^a client token was refused: /);
    expect(verdict).toContain(reason);
    expect(verdict).not.toContain('evil');
  });

  it.each<[string, string]>([
    ['7', '7'],
    ['0', '0'],
    ['-3', '-3'],
    ['9007199254740991', '9007199254740991'],
    ['42.0', '42'],
    ['"007"', '007'],
  ])('with the sub %s is of the user %s', async (sub, user) => {
    expect(await verdictOn(token(`{"sub":${sub},"exp":${now() + 60}}`))).toBe(`user ${user}`);
  });

  it.each(['9007199254740993', '1.5', '1e300', '1e999', 'true', 'null', '[7]', '{}', '""'])(
    'with the sub %s is refused',
    async sub => {
      expect(await verdictOn(token(`{"sub":${sub},"exp":${now() + 60}}`))).toContain('its sub is neither');
    },
  );

  it.each<[string, object]>([
    ['{"plan":"free","shard":"7"}', { plan: 'free', shard: '7' }],
    ['{}', {}],
    ['{"__proto__":"x"}', JSON.parse('{"__proto__":"x"}')],
  ])('with the labels %s has them', async (labels, expected) => {
    const settings = { key: { secret: SECRET }, rules: NO_RULES, allowAnonymous: false, allowQueryToken: false };
    const identity = await new ClientTokens(settings).identityOf(
      token(`{"sub":"ann","exp":${now() + 60},"labels":${labels}}`),
    );
    expect(Object.entries(identity?.labels ?? 'none')).toEqual(Object.entries(expected));
  });

  it.each(['{"plan":1}', '{"plan":null}', '{"plan":{"name":"free"}}', '["free"]', '[]', '"free"', '7', 'true', 'null'])(
    'with the labels %s is refused',
    async labels => {
      const claims = `{"sub":"ann","exp":${now() + 60},"labels":${labels}}`;
      expect(await verdictOn(token(claims))).toContain('its labels are no object of texts');
    },
  );

  it('ends with its exp, or with its age where that is earlier', async () => {
    const settings = { key: { secret: SECRET }, allowAnonymous: false, allowQueryToken: false };
    const tokens = new ClientTokens({ ...settings, rules: { ...NO_RULES, maxAgeS: 60 } });
    const iat = now() - 10;
    const endOf = async (exp: number) => (await tokens.identityOf(token({ iat, exp })))?.expiresAt;
    expect([await endOf(iat + 20), await endOf(iat + 600)]).toEqual([(iat + 20) * 1000, (iat + 60) * 1000]);
  });
});

function read(given: Record<string, string>) {
  const problems: Problem[] = [];
  return { rules: readTokenRules(given, problems), problems };
}

describe('readTokenRules', () => {
  it('has no rule where no variable is set', () => {
    expect(read({})).toEqual({ rules: NO_RULES, problems: [] });
  });

  it('reads lists, the type and the age', () => {
    const given = { JWT_ISSUER: 'a, b', JWT_AUDIENCE: 'chat', JWT_TYPE: 'at+jwt', JWT_MAX_AGE_S: '3600' };
    const rules = { issuers: ['a', 'b'], audiences: ['chat'], type: 'at+jwt', maxAgeS: 3600 };
    expect(read(given)).toEqual({ rules, problems: [] });
  });

  it.each([
    ['JWT_ISSUER', 'a,,b'],
    ['JWT_AUDIENCE', ','],
    ['JWT_TYPE', 'an access token'],
    ['JWT_MAX_AGE_S', '0'],
    ['JWT_MAX_AGE_S', '-1'],
    ['JWT_MAX_AGE_S', '1.5'],
    ['JWT_MAX_AGE_S', '1h'],
    ['JWT_MAX_AGE_S', '1e3'],
    ['JWT_MAX_AGE_S', '9999999999'],
  ])('refuses %s=%s', (key, value) => {
    expect(read({ [key]: value }).problems).toEqual([expect.objectContaining({ key, value })]);
  });
});

describe('RefusalLog', () => {
  it('writes each reason once a minute, with the number of those between', () => {
    let time = 0;
    const lines: string[] = [];
    const log = new RefusalLog(
      line => lines.push(line),
      () => time,
    );
    for (let refusal = 0; refusal < 1000; refusal++) log.refused('it is old');
    log.refused('it is new');
    time = 59_999;
    log.refused('it is old');
    time = 60_000;
    log.refused('it is old');
    expect(lines).toEqual([
      'a client token was refused: it is old',
      'a client token was refused: it is new',
      'a client token was refused: it is old (and 1000 more before)',
    ]);
  });
});
