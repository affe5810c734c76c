/** Authentication with a JWT at the reference server, from its sources: a shared key, and clients without a token. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import type { HttpAnswer } from '../support/clients/http-answer.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';
import {
  SECRET,
  type Claims,
  shown,
  base64url,
  inSeconds,
  VALID,
  hmacToken,
  kept,
  startServer,
  clientOf,
  bearer,
  admin,
  endClients,
  usersOf,
} from './token-clients.js';

afterEach(endClients);
afterAll(() => ServerProcess.stopAll());

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

  it('takes labels from the token, for filters, and other ones at renew', async () => {
    const { client } = await open(bearer(hmacToken({ ...VALID, sub: 'lia', labels: { plan: 'free' } })));
    await open(bearer(hmacToken({ ...VALID, sub: 'leo', labels: { plan: 'paid' } })));
    const withPlan = async (plan: string) =>
      ((await admin(server, `/connections?label.plan=${plan}`)).json as { items: { userId: string }[] }).items.map(
        ({ userId }) => userId,
      );
    expect([await withPlan('free'), await withPlan('paid')]).toEqual([['lia'], ['leo']]);
    client.sendEvent('renew', { token: hmacToken({ ...VALID, sub: 'lia', labels: ['paid'] }) });
    client.sendEvent('renew', { token: hmacToken({ ...VALID, sub: 'lia', labels: { plan: 'paid' } }) });
    await until(() => client.messages.length === 2);
    expect((client.json as { event: string }[]).map(({ event }) => event).toSorted()).toEqual(['exception', 'renewed']);
    expect([await withPlan('free'), await withPlan('paid')]).toEqual([[], ['lia', 'leo']]);
    const refused = clientOf(server, bearer(hmacToken({ ...VALID, labels: { plan: 7 } })));
    expect((await refused.open()).status).toBe(401);
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
