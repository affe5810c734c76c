import { describe, expect, it } from '@jest/globals';
import { acceptFor, readAnswer, upgradeRequest } from './handshake.js';

/** The example of RFC 6455, section 1.3. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';

function read(text: string, ended = false): ReturnType<typeof readAnswer> {
  return readAnswer(Buffer.from(text), KEY, ended);
}

describe('the upgrade request', () => {
  it('sends the headers of RFC 6455', () => {
    const request = upgradeRequest('127.0.0.1:3000', '/ws?a=1', KEY);
    expect(request.startsWith('GET /ws?a=1 HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n')).toBe(true);
    expect(request).toContain(`Sec-WebSocket-Key: ${KEY}\r\n`);
    expect(request.endsWith('\r\n\r\n')).toBe(true);
  });

  it('has the accept key of the RFC', () => {
    expect(acceptFor(KEY)).toBe(ACCEPT);
  });
});

describe('readAnswer', () => {
  it('accepts a proven switch and hands on the first frames', () => {
    const answer = read(`${SWITCH}sec-websocket-accept: ${ACCEPT}\r\n\r\nframes`);
    expect(answer).toEqual({ kind: 'accepted', rest: Buffer.from('frames') });
  });

  it('waits for the whole head', () => {
    expect(read(SWITCH)).toEqual({ kind: 'unfinished' });
  });

  it('names a refusal by its status and the end of its problem type', () => {
    const body = '{"type":"https://example.com/problems/at-capacity","status":503}';
    const head = `HTTP/1.1 503 Service Unavailable\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect(read(head + body.slice(0, 20))).toEqual({ kind: 'unfinished' });
    expect(read(head + body)).toEqual({ kind: 'refused', reason: '503 at-capacity' });
  });

  it('reads a refusal without a length up to the end of the connection', () => {
    const text =
      'HTTP/1.1 429 Too Many Requests\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n{"type":"urn:x:upgrade-rate"}\r\n0\r\n\r\n';
    expect(read(text)).toEqual({ kind: 'unfinished' });
    expect(read(text, true)).toEqual({ kind: 'refused', reason: '429 upgrade-rate' });
  });

  it.each([
    ['a wrong accept key', `${SWITCH}Sec-WebSocket-Accept: wrong\r\n\r\n`, '101 with a wrong Sec-WebSocket-Accept'],
    [
      'no upgrade',
      `HTTP/1.1 101 Whatever\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
      '101 without Upgrade: websocket',
    ],
    [
      'an extension',
      `${SWITCH}Sec-WebSocket-Accept: ${ACCEPT}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
      '101 with an extension that was not requested',
    ],
    ['an empty refusal', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', '404'],
    ['another protocol', 'SSH-2.0-server\r\n\r\n', 'not HTTP'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, 'not HTTP'],
  ])('refuses %s', (_, text, reason) => {
    expect(read(text)).toEqual({ kind: 'refused', reason });
  });

  it('calls silence by its name', () => {
    expect(read('', true)).toEqual({ kind: 'refused', reason: 'closed without an answer' });
  });
});
