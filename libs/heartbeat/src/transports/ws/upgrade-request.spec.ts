import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import * as fc from 'fast-check';

import { faultOfPath, faultOfUpgrade } from './upgrade-request.js';

const VALID = {
  host: 'example.com',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

interface Given {
  readonly method?: string;
  readonly version?: readonly [number, number];
  /** The values of the Host headers. */
  readonly hosts?: readonly string[];
  readonly url?: string;
}

const faultOf = (
  headers: Record<string, string | undefined>,
  { method = 'GET', version = [1, 1], hosts = ['example.com'], url = '/' }: Given = {},
) => {
  const rawHeaders = ['Upgrade', 'host', ...hosts.flatMap((host, index) => [index === 0 ? 'Host' : 'hOST', host])];
  const [httpVersionMajor, httpVersionMinor] = version;
  const request = { url, method, httpVersionMajor, httpVersionMinor, rawHeaders, headers: { ...VALID, ...headers } };
  return faultOfUpgrade(request as unknown as IncomingMessage);
};

describe('faultOfUpgrade (RFC 6455, section 4.2.1)', () => {
  it.each<[string, Record<string, string>]>([
    ['of the RFC', {}],
    ['in capitals', { upgrade: 'WebSocket' }],
    ['that would take another protocol too', { upgrade: 'h2c , WebSocket' }],
    ['in the last draft’s version, which is on the wire the same', { 'sec-websocket-version': '8' }],
    ['with all letters of base64', { 'sec-websocket-key': '+/09azAZ+/09azAZ+/09aw==' }],
  ])('finds no fault in an upgrade %s', (_what, headers) => {
    expect(faultOf(headers)).toBeNull();
  });

  it.each<[string, Record<string, string | undefined>, RegExp]>([
    ['another protocol', { upgrade: 'h2c' }, /Upgrade header/],
    ['a protocol that begins alike', { upgrade: 'websocket2' }, /Upgrade header/],
    ['no protocol', { upgrade: undefined }, /Upgrade header/],
    ['no key', { 'sec-websocket-key': undefined }, /Sec-WebSocket-Key/],
    ['an empty key', { 'sec-websocket-key': '' }, /Sec-WebSocket-Key/],
    ['a key of 15 bytes', { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAA' }, /Sec-WebSocket-Key/],
    ['a key of 17 bytes', { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAAA=' }, /Sec-WebSocket-Key/],
    ['a key without its padding', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ' }, /Sec-WebSocket-Key/],
    ['a key of base64url', { 'sec-websocket-key': '-_hlIHNhbXBsZSBub25jZQ==' }, /Sec-WebSocket-Key/],
    ['a key with more behind it', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==\n' }, /Sec-WebSocket-Key/],
    ['a key with more before it', { 'sec-websocket-key': ' dGhlIHNhbXBsZSBub25jZQ==' }, /Sec-WebSocket-Key/],
    ['two keys', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==' }, /Sec-WebSocket-Key/],
    ['no version', { 'sec-websocket-version': undefined }, /Sec-WebSocket-Version/],
    ['an old version', { 'sec-websocket-version': '7' }, /Sec-WebSocket-Version/],
    ['a version to come', { 'sec-websocket-version': '14' }, /Sec-WebSocket-Version/],
    ['several versions', { 'sec-websocket-version': '13, 8' }, /Sec-WebSocket-Version/],
    ['a version with more around it', { 'sec-websocket-version': '113' }, /Sec-WebSocket-Version/],
    ['a version with a zero before it', { 'sec-websocket-version': '013' }, /Sec-WebSocket-Version/],
  ])('finds %s', (_what, headers, fault) => {
    expect(faultOf(headers)).toMatch(fault);
  });

  it.each(['POST', 'HEAD', 'OPTIONS', 'get', ''])('finds the method %j', method => {
    expect(faultOf({}, { method })).toBe('the method is not GET');
  });

  it.each<[string, Given, RegExp]>([
    ['HTTP/1.0', { version: [1, 0] }, /HTTP version/],
    ['HTTP/0.9', { version: [0, 9] }, /HTTP version/],
    ['no Host', { hosts: [] }, /0 Host headers/],
    ['two Hosts', { hosts: ['a.example', 'b.example'] }, /2 Host headers/],
    ['the same Host twice', { hosts: ['a.example', 'a.example'] }, /2 Host headers/],
    ['an empty Host', { hosts: [''] }, /not a host/],
    ['a Host with a space', { hosts: ['a b'] }, /not a host/],
    ['a Host with a path', { hosts: ['a.example/x'] }, /not a host/],
    ['a Host with a scheme', { hosts: ['http://a.example'] }, /not a host/],
    ['a Host with a user', { hosts: ['u@a.example'] }, /not a host/],
    ['a Host with a port that is no number', { hosts: ['a.example:x'] }, /not a host/],
    ['two Hosts in one', { hosts: ['a.example, b.example'] }, /not a host/],
    ['an IPv6 address without brackets', { hosts: ['::1'] }, /not a host/],
  ])('finds %s (RFC 9112, section 3.2)', (_what, given, fault) => {
    expect(faultOf({}, given)).toMatch(fault);
  });

  it.each([
    'localhost',
    'a.example:8080',
    'a.example:',
    '127.0.0.1:3000',
    '[::1]',
    '[fe80::1%25eth0]:80',
    'xn--bcher-kva.example',
    'my_host',
  ])('accepts the Host %s', host => {
    expect(faultOf({}, { hosts: [host] })).toBeNull();
  });

  it('accepts a later version of HTTP/1', () => {
    expect(faultOf({}, { version: [1, 2] })).toBeNull();
  });

  it('accepts the base64 of any 16 bytes, and of no other number', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), bytes => {
        const key = Buffer.from(bytes).toString('base64');
        expect(faultOf({ 'sec-websocket-key': key }) === null).toBe(bytes.length === 16);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes => {
        expect(faultOf({ 'sec-websocket-key': Buffer.from(bytes).toString('base64') })).toBeNull();
      }),
    );
  });
});

describe('faultOfPath', () => {
  it.each([
    [2047, null],
    [2048, 'the path is longer than 2048 characters'],
  ])('of a slash and %d characters, without the query', (length, fault) => {
    const url = `/${'a'.repeat(length)}?${'b'.repeat(100)}`;
    expect(faultOfPath({ url } as IncomingMessage)).toBe(fault);
  });
});
