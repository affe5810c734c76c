/** Admission by request: origins, addresses behind proxies, refusals by status and by close code. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { BanList, type HeartbeatOptions } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';
import { start, byQuery, typeOf } from './admission-app.js';

afterEach(() => TestApp.closeAll());

const refusing = (options: HeartbeatOptions) => ({
  ...options,
  limits: { refuseWith: 'close' as const, ...options.limits },
});

describe('Origins', () => {
  const HOST = 'app.example:3000';

  it.each<[string, string | undefined, string, 101 | 403]>([
    ['no Origin, which is no browser', undefined, HOST, 101],
    ['the host that is asked for', 'http://app.example:3000', HOST, 101],
    ['the same over TLS, which ends at a proxy', 'https://app.example:3000', HOST, 101],
    ['upper case', 'HTTP://APP.EXAMPLE:3000', HOST, 101],
    ['an upper-case Host', 'http://app.example:3000', 'APP.Example:3000', 101],
    ['the port that https has by itself', 'https://app.example', 'app.example:443', 101],
    ['the port that http has by itself', 'http://app.example', 'app.example:80', 101],
    ['the other scheme’s own port', 'https://app.example', 'app.example:80', 403],
    ['an address', 'http://127.0.0.1:3000', '127.0.0.1:3000', 101],
    ['an IPv6 address', 'http://[::1]:3000', '[::1]:3000', 101],
    ['another port', 'http://app.example:3001', HOST, 403],
    ['no port', 'http://app.example', HOST, 403],
    ['a suffix of the host', 'http://example:3000', HOST, 403],
    ['the host as a suffix', 'http://evil-app.example:3000', HOST, 403],
    ['the host as a subdomain of another', 'http://app.example:3000.evil.example', HOST, 403],
    ['the host as a prefix', 'http://app.example.evil.example:3000', HOST, 403],
    ['a subdomain', 'http://www.app.example:3000', HOST, 403],
    ['the host as a user', 'http://app.example:3000@evil.example', HOST, 403],
    ['the host in the path', 'http://evil.example/app.example:3000', HOST, 403],
    ['the host in the query', 'http://evil.example?app.example:3000', HOST, 403],
    ['null', 'null', HOST, 403],
    ['an empty Origin', '', HOST, 403],
    ['words', 'app.example:3000', HOST, 403],
    ['two at once', 'http://app.example:3000, http://evil.example', HOST, 403],
    ['two with a space', 'http://app.example:3000 http://evil.example', HOST, 403],
    ['a file', 'file://', HOST, 403],
    ['an extension', 'chrome-extension://app.example:3000', HOST, 403],
    ['8 kB', `http://${'a'.repeat(8000)}.example`, HOST, 403],
  ])('same-host: %s', async (_, origin, host, status) => {
    const app = await start();
    const answer = await app.client({ headers: { Host: host, Origin: origin } }).open();
    expect(answer.status).toBe(status);
    expect(answer.body === '' ? null : typeOf(answer)).toBe(status === 403 ? 'origin-refused' : null);
  });

  it('sent twice are not one that is allowed', async () => {
    const app = await start();
    const headers = { Host: HOST, Origin: [`http://${HOST}`, 'http://evil.example'] };
    expect((await app.client({ headers }).open()).status).toBe(403);
    expect((await app.client({ headers: { ...headers, Origin: headers.Origin.toReversed() } }).open()).status).toBe(
      403,
    );
  });

  it.each<[string, string | undefined, 101 | 403]>([
    ['one of them', 'https://app.example', 101],
    ['one of them with its own port', 'https://app.example:443', 101],
    ['one of them in upper case', 'https://APP.example', 101],
    ['no Origin', undefined, 101],
    ['the other scheme', 'http://app.example', 403],
    ['another port', 'https://app.example:8443', 403],
    ['the host that is asked for', 'http://here.example', 403],
    ['a suffix', 'https://evilapp.example', 403],
    ['a prefix', 'https://app.example.evil.example', 403],
    ['null', 'null', 403],
  ])('a list: %s', async (_, origin, status) => {
    const app = await start({ origins: ['https://app.example', 'https://two.example:8080'] });
    const answer = await app.client({ headers: { Host: 'here.example', Origin: origin } }).open();
    expect(answer.status).toBe(status);
  });

  it('"*" admits all, and "null" in a list admits the origin null', async () => {
    const all = await start({ origins: ['*'] });
    expect((await all.client({ headers: { Origin: 'https://any.example' } }).open()).status).toBe(101);
    await all.close();
    const opaque = await start({ origins: ['null'] });
    expect((await opaque.client({ headers: { Origin: 'null' } }).open()).status).toBe(101);
    expect((await opaque.client({ headers: { Origin: 'file://' } }).open()).status).toBe(403);
  });

  it('that are refused are logged once each, with the two names and the option', async () => {
    const app = await start();
    const evil = { Host: 'app.example', Origin: 'https://evil.example' };
    for (let i = 0; i < 3; i++) await app.client({ headers: evil }).open();
    await app.client({ headers: { ...evil, Origin: 'https://bad.example' } }).open();
    const lines = app.logged('warn').filter(text => text.includes('origin'));
    expect(lines).toHaveLength(2);
    for (const word of ['https://evil.example', 'app.example', 'ORIGINS']) expect(lines[0]).toContain(word);
  });
});

describe('The client’s address behind proxies', () => {
  const PROXIES = ['127.0.0.0/8', '10.0.0.0/8', '2001:db8:ffff::/48'];
  const LONG = `${'203.0.113.66, '.repeat(570)}203.0.113.9`;

  it.each<[string, Record<string, string | readonly string[]>, string]>([
    ['no header: the peer', {}, '127.0.0.1'],
    ['one hop', { 'X-Forwarded-For': '203.0.113.9' }, '203.0.113.9'],
    ['what the client wrote before it', { 'X-Forwarded-For': '1.1.1.1, 203.0.113.9' }, '203.0.113.9'],
    ['three hops', { 'X-Forwarded-For': '203.0.113.9, 10.1.1.1, 10.2.2.2' }, '203.0.113.9'],
    [
      'three hops with a lie before them',
      { 'X-Forwarded-For': '10.9.9.9, 203.0.113.9, 10.1.1.1, 10.2.2.2' },
      '203.0.113.9',
    ],
    ['only trusted hops: the left-most', { 'X-Forwarded-For': '10.1.1.1, 10.2.2.2' }, '10.1.1.1'],
    ['two headers', { 'X-Forwarded-For': ['1.1.1.1', '203.0.113.9'] }, '203.0.113.9'],
    ['a port', { 'X-Forwarded-For': '203.0.113.9:4711' }, '203.0.113.9'],
    ['IPv6', { 'X-Forwarded-For': '2001:DB8::9' }, '2001:db8::9'],
    ['IPv6 with a port', { 'X-Forwarded-For': '[2001:db8::9]:4711' }, '2001:db8::9'],
    ['a trusted IPv6 hop', { 'X-Forwarded-For': '203.0.113.9, 2001:db8:ffff::1' }, '203.0.113.9'],
    ['IPv4 mapped into IPv6', { 'X-Forwarded-For': '::ffff:203.0.113.9' }, '203.0.113.9'],
    ['the same in hexadecimal', { 'X-Forwarded-For': '::ffff:cb00:7109' }, '203.0.113.9'],
    ['a trusted hop mapped into IPv6', { 'X-Forwarded-For': '203.0.113.9, ::ffff:10.1.1.1' }, '203.0.113.9'],
    ['no address: the proxy before it', { 'X-Forwarded-For': '203.0.113.9, unknown' }, '127.0.0.1'],
    ['no address between: the hop after it', { 'X-Forwarded-For': '203.0.113.9, unknown, 10.1.1.1' }, '10.1.1.1'],
    ['nothing at the end', { 'X-Forwarded-For': '203.0.113.9,' }, '127.0.0.1'],
    ['a number that is no address', { 'X-Forwarded-For': '3405803785' }, '127.0.0.1'],
    ['octal', { 'X-Forwarded-For': '0313.0.0161.011' }, '127.0.0.1'],
    ['a name', { 'X-Forwarded-For': 'localhost' }, '127.0.0.1'],
    ['a new line’s try', { 'X-Forwarded-For': '203.0.113.9%0d%0a' }, '127.0.0.1'],
    ['8 kB of hops', { 'X-Forwarded-For': LONG }, '203.0.113.9'],
    ['Forwarded', { Forwarded: 'for=203.0.113.9;proto=https;by=10.0.0.1' }, '203.0.113.9'],
    ['Forwarded, upper case', { Forwarded: 'Proto=https;For=203.0.113.9' }, '203.0.113.9'],
    ['Forwarded, three hops', { Forwarded: 'for=1.1.1.1, for=203.0.113.9, for="10.1.1.1:80"' }, '203.0.113.9'],
    ['Forwarded, IPv6', { Forwarded: 'for="[2001:db8::9]:4711"' }, '2001:db8::9'],
    ['Forwarded, hidden', { Forwarded: 'for=203.0.113.9, for=_hidden' }, '127.0.0.1'],
    ['Forwarded without for', { Forwarded: 'by=203.0.113.9' }, '127.0.0.1'],
  ])('%s', async (_, headers, ip) => {
    const app = await start({ trustedProxies: PROXIES });
    await app.opened({ headers });
    expect([...app.connections.all()].map(connection => connection.ip)).toEqual([ip]);
  });

  it.each(['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'CF-Connecting-IP'])(
    'is the peer’s whatever %s holds, when the peer is no trusted proxy',
    async name => {
      const app = await start({ trustedProxies: ['10.0.0.0/8'] });
      await app.opened({ headers: { [name]: name === 'Forwarded' ? 'for=203.0.113.9' : '203.0.113.9' } });
      expect([...app.connections.all()].map(({ ip }) => ip)).toEqual(['127.0.0.1']);
    },
  );

  it('counts an IPv6 client as its /64 for limits', async () => {
    const app = await start({ trustedProxies: ['127.0.0.1'], limits: { maxPerIp: 2 } });
    const from = async (address: string) =>
      (await app.client({ headers: { 'X-Forwarded-For': address } }).open()).status;
    expect(await from('2001:db8:1:2::1')).toBe(101);
    expect(await from('2001:db8:1:2:ffff:ffff:ffff:ffff')).toBe(101);
    expect(await from('2001:0db8:0001:0002:0:0:0:7')).toBe(429);
    expect(await from('2001:db8:1:3::1')).toBe(101);
  });

  it('warns once of a proxy that is not trusted, and only where it matters', async () => {
    const counting = await start({ limits: { maxPerIp: 100 } });
    for (let i = 0; i < 3; i++) await counting.opened({ headers: { 'X-Forwarded-For': '203.0.113.9' } });
    const warnings = counting.logged('warn').filter(text => text.includes('trustedProxies'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('TRUSTED_PROXIES');
    await counting.close();
    const careless = await start();
    await careless.opened({ headers: { 'X-Forwarded-For': '203.0.113.9' } });
    expect(careless.logged('warn')).toEqual([]);
  });
});

describe('refuseWith "close"', () => {
  it.each<[string, HeartbeatOptions, Record<string, string>, number, RegExp]>([
    ['no identity', { authenticate: () => null }, {}, 4503, /^unauthenticated$/],
    ['a foreign origin', {}, { Origin: 'https://evil.example' }, 4503, /^origin-refused$/],
    ['no place', { limits: { maxConnections: 1 } }, {}, 1013, /^at-capacity; retry-after=\d+$/],
    ['its address’s limit', { limits: { maxPerIp: 1 } }, {}, 1013, /^ip-limit; retry-after=\d+$/],
    ['the rate', { limits: { upgradesPerSecond: 1 } }, {}, 1013, /^upgrade-rate; retry-after=\d+$/],
  ])('closes a browser with a code: %s', async (_, options, headers, code, reason) => {
    const app = await start(refusing(options));
    const occupant = app.client();
    await occupant.open();
    const client = app.client({ headers });
    expect((await client.open()).status).toBe(101);
    const ended = await client.ended;
    expect(ended.code).toBe(code);
    expect(ended.reason).toMatch(reason);
    expect(app.connections.count).toBe(occupant.closeFrame === null ? 1 : 0);
  });

  it('closes banned clients with 4501, and a user above its limit with 1013', async () => {
    const app = await start(refusing({ authenticate: byQuery, limits: { refuseWith: 'close', maxPerUser: 1 } }));
    await app.opened({ path: '/ws?user=ann' });
    const second = await app.opened({ path: '/ws?user=ann' });
    expect((await second.ended).code).toBe(1013);
    app.app.get(BanList).ban({ kind: 'user', value: 'bob', forMs: 60_000 });
    const banned = await app.opened({ path: '/ws?user=bob' });
    expect((await banned.ended).code).toBe(4501);
  });

  it('leaves to HTTP what is no upgrade and what has no gateway', async () => {
    const app = await start(refusing({}));
    expect((await app.client({ path: '/nowhere' }).open()).status).toBe(404);
    expect((await app.client({ headers: { 'Sec-WebSocket-Version': '7' } }).open()).status).toBe(400);
  });

  it('counts no refused client, and destroys one that does not answer the close', async () => {
    const app = await start(refusing({ limits: { refuseWith: 'close', maxConnections: 1 } }));
    await app.opened();
    const clients = await Promise.all(Array.from({ length: 20 }, () => app.opened()));
    for (const client of clients) client.silent();
    expect(app.connections.count).toBe(1);
    await Promise.all(clients.map(client => client.ended));
  });
});

describe('Refusals', () => {
  it('carry problem+json, its status, and Retry-After where a client may return', async () => {
    const app = await start({ limits: { maxConnections: 1 } });
    await app.opened();
    const { status, headers, body } = await app.client().open();
    expect(status).toBe(503);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect(JSON.parse(body)).toMatchObject({ status: 503, type: expect.stringMatching(/at-capacity$/) });
  });

  it('are counted as events, each once', async () => {
    const app = await start({ authenticate: () => null });
    const events = app.recordEvents();
    await app.client().open();
    await app.client({ path: '/nowhere' }).open();
    expect(events).toEqual([
      { type: 'refused', status: 401, reason: 'unauthenticated', ip: '127.0.0.1' },
      { type: 'refused', status: 404, reason: 'no-such-path', ip: '127.0.0.1' },
    ]);
  });

  it('survive headers of 8 kB', async () => {
    const app = await start({ trustedProxies: ['127.0.0.1'] });
    const long = 'x'.repeat(8000);
    const answers = await Promise.all([
      app.client({ headers: { 'X-Forwarded-For': long } }).open(),
      app.client({ headers: { Forwarded: `for=${long}` } }).open(),
      app.client({ headers: { 'User-Agent': long } }).open(),
      app.client({ headers: { Host: long, Origin: 'http://a.example' } }).open(),
      app.client({ path: `/${long}` }).open(),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([101, 101, 101, 403, 404]);
    for (const { userAgent } of app.connections.all()) expect((userAgent ?? '').length).toBeLessThanOrEqual(256);
  });
});
