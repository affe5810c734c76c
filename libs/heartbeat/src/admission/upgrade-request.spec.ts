import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import * as fc from 'fast-check';

import { faultOfUpgrade } from './upgrade-request.js';

const VALID = {
  host: 'example.com',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

const faultOf = (headers: Record<string, string | undefined>, method = 'GET') =>
  faultOfUpgrade({ method, headers: { ...VALID, ...headers } } as unknown as IncomingMessage);

describe('faultOfUpgrade (RFC 6455, section 4.2.1)', () => {
  it.each<[string, Record<string, string>]>([
    ['of the RFC', {}],
    ['in capitals', { upgrade: 'WebSocket' }],
    ['in the last draft’s version, which is on the wire the same', { 'sec-websocket-version': '8' }],
    ['with all letters of base64', { 'sec-websocket-key': '+/09azAZ+/09azAZ+/09aw==' }],
  ])('finds nothing wrong with an upgrade %s', (_what, headers) => {
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
    expect(faultOf({}, method)).toBe('the method is not GET');
  });

  it('takes the base64 of any 16 bytes, and of no other number', () => {
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
