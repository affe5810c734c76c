import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { canonicalOrigin, isOriginEntry, type OriginVerdict, originJudge } from './origin.js';

function judgeOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: 'same-host' | readonly string[],
): OriginVerdict {
  return originJudge(allowed)(origin, host);
}

const text = ([name, port]: [string, number | null]) => (port === null ? name : `${name}:${port}`);

describe('judgeOrigin with same-host', () => {
  it.each([
    ['the host itself', 'https://example.com', 'example.com'],
    ['a port', 'http://localhost:3000', 'localhost:3000'],
    ['a scheme that a TLS proxy has lost', 'https://example.com:8443', 'example.com:8443'],
    ['the default port in the Host header alone (https)', 'https://example.com', 'example.com:443'],
    ['the default port in the Host header alone (http)', 'http://example.com', 'example.com:80'],
    ['the default port in the origin alone (https)', 'https://example.com:443', 'example.com'],
    ['the default port in the origin alone (http)', 'http://example.com:80', 'example.com'],
    ['an upper-case origin', 'HTTPS://EXAMPLE.com', 'example.com'],
    ['an upper-case host', 'https://example.com', 'Example.COM'],
    ['IPv4', 'http://127.0.0.1:3000', '127.0.0.1:3000'],
    ['IPv6', 'http://[::1]:3000', '[::1]:3000'],
    ['IPv6 in another spelling', 'http://[::1]', '[0:0:0:0:0:0:0:1]:80'],
    ['a name of other letters', 'https://xn--bcher-kva.example', 'bücher.example'],
  ])('allows %s', (_what, origin, host) => {
    expect(judgeOrigin(origin, host, 'same-host')).toBe('allowed');
  });

  it.each([
    ['another host', 'https://evil.com', 'example.com'],
    ['a host that begins alike', 'https://example.com.evil', 'example.com'],
    ['a host that ends alike', 'https://evil-example.com', 'example.com'],
    ['a subdomain', 'https://evil.example.com', 'example.com'],
    ['the parent domain', 'https://example.com', 'app.example.com'],
    ['another port', 'http://example.com:3001', 'example.com:3000'],
    ['a port where none is asked for', 'http://example.com:3000', 'example.com'],
    ['the default port of the other scheme', 'https://example.com:80', 'example.com'],
    ['the host as user', 'https://example.com@evil.com', 'evil.com'],
    ['the host as password', 'https://a:example.com@evil.com', 'evil.com'],
    ['a host behind a user', 'https://user@example.com', 'example.com'],
    ['a path', 'https://example.com/chat', 'example.com'],
    ['an empty path', 'https://example.com/', 'example.com'],
    ['a path after a backslash', 'https://example.com\\.evil.com', 'example.com'],
    ['a query', 'https://example.com?a', 'example.com'],
    ['a fragment', 'https://example.com#a', 'example.com'],
    ['an opaque origin', 'null', 'null'],
    ['nothing', '', 'example.com'],
    ['a blank', ' ', 'example.com'],
    ['blanks around', ' https://example.com ', 'example.com'],
    ['two origins by a comma', 'https://example.com, https://evil.com', 'example.com'],
    ['two origins by a blank', 'https://example.com https://evil.com', 'example.com'],
    ['two origins, ours last', 'https://evil.com,https://example.com', 'example.com'],
    ['a host without a scheme', 'example.com', 'example.com'],
    ['a scheme without a host', 'https://', 'example.com'],
    ['a scheme that has no origins', 'file://example.com', 'example.com'],
    ['a star', '*', 'example.com'],
    ['a line break', 'https://example.com\n', 'example.com'],
    ['a host header with a user', 'https://example.com', 'user@example.com'],
    ['a host header with a path', 'https://example.com', 'example.com/evil'],
    ['a host header with a blank', 'https://example.com', 'example.com evil'],
    ['a host header of two', 'https://example.com', 'example.com,evil.com'],
    ['a host header that is empty', 'https://example.com', ''],
    ['a host header that is none', 'https://example.com', '['],
    ['no host header', 'https://example.com', undefined],
    ['no host header and an opaque origin', 'null', undefined],
    // No browser sends these, though origin and host have the same spelling.
    ['no host header and an origin that spells its lack', 'https://undefined', undefined],
    ['a path in both', 'https://example.com/chat', 'example.com/chat'],
    ['a user in both', 'https://user@example.com', 'user@example.com'],
    ['two hosts in both', 'https://example.com,evil.com', 'example.com,evil.com'],
    ['a blank in both', 'https://example.com evil.com', 'example.com evil.com'],
    ['a line break in both', 'https://example.com\n', 'example.com\n'],
    ['nothing in both', 'https://', ''],
  ])('refuses %s', (_what, origin, host) => {
    expect(judgeOrigin(origin, host, 'same-host')).toBe('refused');
  });

  it('allows a client without an origin, since it is no browser', () => {
    expect([judgeOrigin(undefined, 'example.com', 'same-host'), judgeOrigin(undefined, undefined, [])]).toEqual([
      'allowed',
      'allowed',
    ]);
  });

  it('allows an origin for its own host, and for no other', () => {
    const anyHost = fc.tuple(fc.domain(), fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: null }));
    fc.assert(
      fc.property(anyHost, anyHost, fc.constantFrom('http', 'https'), (own, other, scheme) => {
        const standard = scheme === 'http' ? 80 : 443;
        const same = own[0] === other[0] && (own[1] ?? standard) === (other[1] ?? standard);
        expect(judgeOrigin(`${scheme}://${text(own)}`, text(own), 'same-host')).toBe('allowed');
        expect(judgeOrigin(`${scheme}://${text(own)}`, text(other), 'same-host')).toBe(same ? 'allowed' : 'refused');
      }),
    );
  });

  it('returns a verdict for any headers', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (origin, host) => {
        expect(judgeOrigin(origin, host, 'same-host')).toBe('refused');
      }),
    );
  });
});

describe('judgeOrigin with a list', () => {
  const LIST = ['https://app.example.com', 'http://localhost:5173'];

  it.each([
    ['what is listed', 'https://app.example.com'],
    ['what is listed, with a port', 'http://localhost:5173'],
    ['what is listed, with its default port', 'https://app.example.com:443'],
    ['what is listed, in capitals', 'HTTPS://APP.EXAMPLE.COM'],
  ])('allows %s, regardless of the host', (_what, origin) => {
    expect([judgeOrigin(origin, 'other.com', LIST), judgeOrigin(origin, undefined, LIST)]).toEqual([
      'allowed',
      'allowed',
    ]);
  });

  it.each([
    ['the host that is asked for', 'https://other.com'],
    ['another scheme', 'http://app.example.com'],
    ['another port', 'http://localhost:5174'],
    ['no port where one is listed', 'http://localhost'],
    ['a host that begins alike', 'https://app.example.com.evil'],
    ['a host that ends alike', 'https://evil-app.example.com'],
    ['a subdomain', 'https://x.app.example.com'],
    ['a path', 'https://app.example.com/'],
    ['a user', 'https://user@app.example.com'],
    ['two of the list', 'https://app.example.com, http://localhost:5173'],
    ['an opaque origin', 'null'],
    ['nothing', ''],
  ])('refuses %s', (_what, origin) => {
    expect(judgeOrigin(origin, 'other.com', LIST)).toBe('refused');
  });

  it('allows no origin where the list is empty', () => {
    expect(judgeOrigin('https://example.com', 'example.com', [])).toBe('refused');
  });

  it('allows opaque origins only where they are listed', () => {
    expect(judgeOrigin('null', 'example.com', ['null'])).toBe('allowed');
  });

  it.each(['https://evil.com', 'null', '', 'a b', '*'])('allows %j where a star is listed', origin => {
    expect(judgeOrigin(origin, undefined, [...LIST, '*'])).toBe('allowed');
  });

  it.each([
    ['a subdomain', 'https://app.example.com', 'allowed'],
    ['a subdomain in capitals with the default port', 'HTTPS://App.Example.com:443', 'allowed'],
    ['a subdomain that begins with xn--', 'https://xn--bcher-kva.example.com', 'allowed'],
    ['a subdomain of other letters', 'https://bücher.example.com', 'allowed'],
    ['the domain itself', 'https://example.com', 'refused'],
    ['a subdomain of a subdomain', 'https://a.b.example.com', 'refused'],
    ['a domain that ends alike', 'https://evil-example.com', 'refused'],
    ['an empty label', 'https://.example.com', 'refused'],
    ['another scheme', 'http://app.example.com', 'refused'],
    ['another port', 'https://app.example.com:8443', 'refused'],
    ['a subdomain before another domain', 'https://app.example.com.evil.com', 'refused'],
    ['a user that looks like it', 'https://app.example.com@evil.com', 'refused'],
    ['a path', 'https://app.example.com/', 'refused'],
    ['the pattern itself', 'https://*.example.com', 'refused'],
    ['an opaque origin', 'null', 'refused'],
  ])('judges by a wildcard of one label: %s', (_what, origin, verdict) => {
    expect(judgeOrigin(origin, 'example.com', ['https://*.example.com'])).toBe(verdict);
  });

  it.each([
    ['a port', 'http://*.localhost:3000', 'http://tenant.localhost:3000', 'http://tenant.localhost'],
    ['its default port', 'https://*.example.com:443', 'https://a.example.com', 'https://a.example.com:444'],
    ['capitals', 'HTTPS://*.EXAMPLE.com', 'https://a.example.com', 'http://a.example.com'],
    ['other letters', 'https://*.bücher.example', 'https://a.xn--bcher-kva.example', 'https://bücher.example'],
    ['a scheme of an application', 'app://*.example.com', 'app://a.example.com', 'app://example.com'],
  ])('accepts a wildcard with %s', (_what, entry, allowed, refused) => {
    expect(isOriginEntry(entry)).toBe(true);
    expect([judgeOrigin(allowed, 'x', [entry]), judgeOrigin(refused, 'x', [entry])]).toEqual(['allowed', 'refused']);
  });
});

/** Origins that applications send in practice. */
const APPLICATIONS = [
  'capacitor://localhost',
  'ionic://localhost',
  'tauri://localhost',
  'http://tauri.localhost',
  'app://obsidian.md',
  'app://.',
  'app://-',
  'file://',
  'ms-appx-web://microsoft.todos',
  'wails://wails.localhost:34115',
  'chrome-extension://cjpalhdlnbpafiamejdnhcphjbkeiagm',
  'moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc',
  'safari-web-extension://9A6C2D3B-55F1-4F59-8E0E-5D0C2C2F7B1A',
  'vscode-webview://1l2m3n4o5p',
  'vscode-file://vscode-app',
  'com.example.app://localhost',
];

describe('origins of applications', () => {
  it.each(APPLICATIONS)('%s can be listed, is allowed then, and only then', origin => {
    expect(isOriginEntry(origin)).toBe(true);
    expect(judgeOrigin(origin, 'example.com', [origin])).toBe('allowed');
    expect(judgeOrigin(origin.toUpperCase(), 'example.com', [origin])).toBe('allowed');
    for (const other of [...APPLICATIONS.filter(known => known !== origin), `${origin}.evil`, `x${origin}`]) {
      expect([other, judgeOrigin(other, 'example.com', [origin])]).toEqual([other, 'refused']);
    }
  });

  it.each(APPLICATIONS)('%s is not a page of the requested host', origin => {
    expect(judgeOrigin(origin, origin.split('://')[1], 'same-host')).toBe(
      origin.startsWith('http:') ? 'allowed' : 'refused',
    );
  });
});

describe('canonicalOrigin', () => {
  it.each([
    ['HTTPS://App.Example.com:443', 'https://app.example.com'],
    ['http://[0:0:0:0:0:0:0:1]:80', 'http://[::1]'],
    ['https://bücher.example:8443', 'https://xn--bcher-kva.example:8443'],
    ['Capacitor://LocalHost', 'capacitor://localhost'],
    ['file://', 'file://'],
    ['null', 'null'],
    ['app://a/b', null],
    ['app://a b', null],
    ['app://user@host', null],
    ['app://host:99999', null],
    ['mailto:a@b', null],
    ['data:text/html,x', null],
    ['NULL', null],
    ['', null],
  ])('turns %j into %j', (given, canonical) => {
    expect(canonicalOrigin(given)).toBe(canonical);
  });

  it('is the same for its own result, and consists of visible ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('app', 'https', 'file', 'x-y+z'), (host, scheme) => {
        const canonical = canonicalOrigin(`${scheme}://${host}`);
        fc.pre(canonical !== null);
        expect(canonical).toMatch(/^[!-~]+$/);
        expect(canonicalOrigin(canonical)).toBe(canonical);
      }),
    );
  });
});
