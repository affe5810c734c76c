import { describe, expect, it } from '@jest/globals';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

import * as fc from 'fast-check';

import { heapBytesOf } from '../../../../test/support/assert/heap-bytes.js';
import { networkMatcher } from '../base/network-address.js';
import { clientAddress, hasProxyHeader } from './client-address.js';

const PROXY = '10.0.0.1';
const isTrusted = networkMatcher(['10.0.0.0/8', 'fd00::/8']);

const request = (headers: IncomingHttpHeaders, peer: string | undefined = PROXY) =>
  ({ headers, socket: { remoteAddress: peer } }) as unknown as IncomingMessage;

const behind = (headers: IncomingHttpHeaders, peer = PROXY) => clientAddress(request(headers, peer), isTrusted);
const forwardedFor = (list: string, peer = PROXY) => behind({ 'x-forwarded-for': list }, peer);
const forwarded = (list: string, peer = PROXY) => behind({ forwarded: list }, peer);

describe('clientAddress', () => {
  it.each<[string, string, string, string]>([
    ['the only hop', '203.0.113.7', PROXY, '203.0.113.7'],
    [
      'the right-most, regardless of hops that the client wrote before it',
      '1.1.1.1, 203.0.113.7',
      PROXY,
      '203.0.113.7',
    ],
    ['the right-most that is not trusted, of three', '203.0.113.7, 10.0.0.3, 10.0.0.2', PROXY, '203.0.113.7'],
    ['not a hop beyond an untrusted one', '10.9.9.9, 203.0.113.7, 10.0.0.2', PROXY, '203.0.113.7'],
    ['not a trusted address that the client wrote', '10.0.0.9, 203.0.113.7', PROXY, '203.0.113.7'],
    ['the left-most where all are trusted', '10.0.0.4, 10.0.0.3, 10.0.0.2', PROXY, '10.0.0.4'],
    ['the peer where the peer is not trusted', '1.1.1.1', '203.0.113.7', '203.0.113.7'],
    ['the peer without a hop', '', PROXY, PROXY],
    ['a hop without its port', '203.0.113.7:4711', PROXY, '203.0.113.7'],
    ['a hop without blanks', ' \t203.0.113.7\t ', PROXY, '203.0.113.7'],
    ['an IPv6 hop', '2001:db8::7', PROXY, '2001:db8::7'],
    ['an IPv6 hop without brackets', '[2001:db8::7]', PROXY, '2001:db8::7'],
    ['an IPv6 hop without brackets and port', '[2001:db8::7]:4711', PROXY, '2001:db8::7'],
    ['an IPv6 hop in small letters', '2001:DB8::A', PROXY, '2001:db8::a'],
    ['an IPv6 hop in the short form', '2001:0db8:0000:0000:0000:0000:0000:0007', PROXY, '2001:db8::7'],
    ['an IPv6 hop in the short form, of one with port and zone', '[2001:db8:0:0::7%eth0]:4711', PROXY, '2001:db8::7'],
    ['a long mapped hop as IPv4', '0:0:0:0:0:ffff:203.0.113.7', PROXY, '203.0.113.7'],
    ['a long mapped hop in groups as IPv4', '[0000:0000:0000:0000:0000:FFFF:CB00:7107]:80', PROXY, '203.0.113.7'],
    ['the hop behind a trusted hop in a long form', '203.0.113.7, fd00:0:0:0:0:0:0:2', PROXY, '203.0.113.7'],
    ['an IPv6 hop without its zone', 'fe80::1%eth0', PROXY, 'fe80::1'],
    ['a mapped hop as IPv4', '::ffff:203.0.113.7', PROXY, '203.0.113.7'],
    ['a mapped hop in capitals as IPv4', '::FFFF:203.0.113.7', PROXY, '203.0.113.7'],
    ['a mapped hop in brackets as IPv4', '[::ffff:203.0.113.7]:80', PROXY, '203.0.113.7'],
    ['a mapped hop in groups as IPv4', '::ffff:cb00:7107', PROXY, '203.0.113.7'],
    ['the hop that a mapped proxy reports', '203.0.113.7', '::ffff:10.0.0.1', '203.0.113.7'],
    ['the hop behind a mapped trusted hop', '203.0.113.7, ::ffff:10.0.0.2', PROXY, '203.0.113.7'],
    ['the hop behind an IPv6 proxy', '203.0.113.7, fd00::2', 'fd00::1', '203.0.113.7'],
  ])('is %s', (_what, list, peer, client) => {
    expect(forwardedFor(list, peer)).toBe(client);
  });

  it.each([
    ['empty', ''],
    ['blank', '  '],
    ['a name', 'client.example.com'],
    ['unknown', 'unknown'],
    ['hidden', '_hidden'],
    ['cut short', '203.0.113'],
    ['too large', '203.0.113.256'],
    ['with a port that is none', '203.0.113.7:http'],
    ['with a port too long', '203.0.113.7:123456'],
    ['with half a bracket', '[2001:db8::7'],
    ['with something behind the bracket', '[2001:db8::7]x'],
    ['with a prefix', '203.0.113.7/32'],
    ['a number', '3405803783'],
    ['with a line break', '203.0.113.7\n'.concat('x')],
  ])('is the peer before a hop that is %s', (_what, hop) => {
    expect(forwardedFor(`198.51.100.1, ${hop}`)).toBe(PROXY);
    expect(forwardedFor(`198.51.100.1, ${hop}, 10.0.0.2`)).toBe('10.0.0.2');
    expect(forwardedFor(`${hop}, 198.51.100.1, 10.0.0.2`)).toBe('198.51.100.1');
  });

  it.each([
    ['plain', 'for=203.0.113.7', '203.0.113.7'],
    ['in capitals', 'FOR=203.0.113.7', '203.0.113.7'],
    ['quoted', 'for="203.0.113.7"', '203.0.113.7'],
    ['quoted with a port', 'for="203.0.113.7:4711"', '203.0.113.7'],
    ['IPv6', 'for="[2001:db8:cafe::17]"', '2001:db8:cafe::17'],
    ['IPv6 with a port', 'For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
    ['IPv6 with the port of the web', 'for="[2001:db8::1]:80"', '2001:db8::1'],
    ['with blanks around everything', ' \t for = 203.0.113.7 ; proto = http ', '203.0.113.7'],
    ['with blanks around quoted values', 'proto=http ; for = "203.0.113.7" , for="10.0.0.2"', '203.0.113.7'],
    ['whose quotes do not end', 'for="203.0.113.7', PROXY],
    ['of an address within quotes within quotes', 'for="\\"203.0.113.7\\""', PROXY],
    ['with more behind it', 'for=203.0.113.7;proto=http;by=10.0.0.1', '203.0.113.7'],
    ['with more before it', 'by=10.0.0.1; proto=http; for=203.0.113.7', '203.0.113.7'],
    ['of three hops', 'for=203.0.113.7, for=10.0.0.3,for=10.0.0.2', '203.0.113.7'],
    ['that the client began', 'for=1.1.1.1, for=203.0.113.7, for="10.0.0.2"', '203.0.113.7'],
    ['of a hidden client', 'for=_hidden, for=10.0.0.2', '10.0.0.2'],
    ['of an unknown client', 'for=unknown, for=10.0.0.2', '10.0.0.2'],
    ['without a client', 'proto=https;by=203.0.113.43', PROXY],
    ['of a parameter that only ends in for', 'xfor=203.0.113.7', PROXY],
    ['that is empty', '', PROXY],
    ['of a client that left a quote open', 'for=6.6.6.6;x=", for=203.0.113.7;proto=https', '203.0.113.7'],
    ['of one that did so before a quoted hop', 'for=6.6.6.6;x=", for="203.0.113.7:80";proto=https', '203.0.113.7'],
    ['of one that escaped the comma too', 'for=6.6.6.6;x="\\, for=203.0.113.7', '203.0.113.7'],
    ['of one that sent a quote to its host as well', 'for=6.6.6.6;x=", for=203.0.113.7;host="\\""', '203.0.113.7'],
    ['of a quoted value that ends in a backslash', 'for=203.0.113.7;host="a\\\\"', '203.0.113.7'],
  ])('reads a Forwarded header %s', (_what, list, client) => {
    expect(forwarded(list)).toBe(client);
  });

  it.each([
    ['with a comma', 'for=203.0.113.7;host="a,for=198.51.100.6"'],
    ['with a semicolon', 'host="a;for=198.51.100.6";for=203.0.113.7'],
    ['with a quote', 'host="a\\";for=198.51.100.6";for=203.0.113.7'],
  ])('is never a part of a quoted value in the hop of the own proxy (RFC 7239, section 4) %s', (_what, list) => {
    expect(forwarded(list)).toBe('203.0.113.7');
  });

  it('ignores a Forwarded header of a peer that is not trusted', () => {
    expect(forwarded('for=1.1.1.1', '203.0.113.7')).toBe('203.0.113.7');
  });

  it('does not read the headers of a peer that is not trusted', () => {
    const stranger = {
      socket: { remoteAddress: '203.0.113.7' },
      get headers(): never {
        throw new Error('the headers were read');
      },
    } as unknown as IncomingMessage;
    expect(clientAddress(stranger, isTrusted)).toBe('203.0.113.7');
  });

  it('uses X-Forwarded-For where both headers are present', () => {
    expect(behind({ 'x-forwarded-for': '203.0.113.7', forwarded: 'for=198.51.100.1' })).toBe('203.0.113.7');
    expect(behind({ 'x-forwarded-for': 'unknown', forwarded: 'for=198.51.100.1' })).toBe(PROXY);
  });

  it('is the peer’s without any header', () => {
    expect([behind({}), behind({}, '::ffff:203.0.113.7'), behind({}, 'fe80::1%eth0')]).toEqual([
      PROXY,
      '203.0.113.7',
      'fe80::1',
    ]);
  });

  it('is empty for a socket that has closed', () => {
    const gone = { headers: { 'x-forwarded-for': '1.1.1.1' }, socket: {} } as unknown as IncomingMessage;
    expect(clientAddress(gone, isTrusted)).toBe('');
  });

  it.each([
    ['hops', '1.1.1.1,'.repeat(1000), '203.0.113.7'],
    ['commas', ','.repeat(8000), '203.0.113.7'],
    ['blanks', ' '.repeat(8000) + ',', '203.0.113.7'],
    ['brackets', '['.repeat(8000) + ',', '203.0.113.7'],
    ['digits', '1'.repeat(8000) + ',', '203.0.113.7'],
    ['semicolons', '; '.repeat(4000) + ',', '203.0.113.7'],
  ])('reads 8 kB of %s at once, and finds no address in them', (_what, padding, client) => {
    const before = performance.now();
    expect([forwardedFor(`${padding}${client}`), forwarded(`${padding}for=${client}`)]).toEqual([client, client]);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it.each([
    ['quotes that are escaped', '"\\'],
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['empty quotes', '""'],
    ['quoted commas', '","'],
    ['quoted names', 'for="'],
    ['blanks', 'for = '],
    ['brackets', 'for="['],
  ])('ends with 100 kB of %s', (_what, piece) => {
    const list = piece.repeat(100_000 / piece.length);
    // Backtracking through all combinations would exceed the test's timeout.
    for (const hostile of [list, `for="${list}`, `${list},for=10.0.0.2`]) {
      expect([PROXY, '10.0.0.2']).toContain(forwarded(hostile));
    }
  });

  it('never depends on text that the client wrote', () => {
    const anyHop = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constantFrom('', 'unknown', '10.0.0.9', '::1'));
    fc.assert(
      fc.property(
        fc.array(anyHop),
        fc.ipV4().filter(ip => !isTrusted(ip)),
        (written, client) => {
          // A comma within a hop only splits it into two.
          expect(forwardedFor([...written, client, '10.0.0.3', '10.0.0.2'].join(', '))).toBe(client);
          expect(forwardedFor([...written, '10.0.0.3'].join(','), client)).toBe(client);
        },
      ),
    );
  });

  it('never depends on text that the client wrote into Forwarded, regardless of quoting by the proxies', () => {
    const piece = fc.constantFrom('"', '\\', ',', ';', '=', ' ', 'for=6.6.6.6', 'for="', '6.6.6.6', 'a');
    const anyText = fc.oneof(
      fc.string(),
      fc.array(piece).map(pieces => pieces.join('')),
    );
    fc.assert(
      fc.property(
        anyText,
        anyText,
        fc.ipV4().filter(ip => !isTrusted(ip)),
        (written, host, client) => {
          const quoted = `"${host.replace(/["\\]/g, '\\$&')}"`;
          const hops = [`for=${client};host=${quoted};proto=https`, `host=${quoted};for="${client}:4711"`];
          for (const hop of hops) {
            expect(forwarded(`${written}, ${hop}`)).toBe(client);
            expect(forwarded([written, hop, 'for=10.0.0.3', `by=x;for="10.0.0.2";host=${quoted}`].join(','))).toBe(
              client,
            );
          }
        },
      ),
    );
  });

  it('does not keep the header that it was read from in memory', () => {
    expect(heapBytesOf(long => forwardedFor(`${long}, 203.0.113.177`))).toBeLessThan(1000);
    expect(heapBytesOf(long => forwardedFor(`${long}, 2001:db8::4711:77`))).toBeLessThan(1000);
    expect(heapBytesOf(long => forwarded(`for=${long}, for="203.0.113.177:4711"`))).toBeLessThan(1000);
  });

  it('is an address for any input of a proxy', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (list, standard) => {
        const found = standard ? forwarded(list) : forwardedFor(list);
        expect(found).toMatch(/^[\d.]+$|^[\da-f:.]+$/);
      }),
    );
  });
});

describe('hasProxyHeader', () => {
  it.each<[string, IncomingHttpHeaders, boolean]>([
    ['detects X-Forwarded-For', { 'x-forwarded-for': '' }, true],
    ['detects Forwarded', { forwarded: 'for=1.1.1.1' }, true],
    ['detects no other', { 'x-real-ip': '1.1.1.1', via: '1.1 a' }, false],
  ])('%s', (_what, headers, seen) => {
    expect(hasProxyHeader(request(headers))).toBe(seen);
  });
});
