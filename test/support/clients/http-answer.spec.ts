import { describe, expect, it } from '@jest/globals';
import { HttpAnswerReader } from './http-answer.js';

describe('HttpAnswerReader', () => {
  it('hands back the bytes after a 101, although they came with the head', async () => {
    const reader = new HttpAnswerReader();
    expect(reader.push(Buffer.from('HTTP/1.1 101 Switching Proto'))).toBeNull();
    expect(reader.push(Buffer.from('cols\r\nUpgrade: websocket\r\n\r\n\x81\x00', 'latin1'))?.toString('hex')).toBe(
      '8100',
    );
    expect(reader.upgraded).toBe(true);
    expect(await reader.answer).toEqual({ status: 101, headers: { upgrade: 'websocket' }, body: '' });
  });

  it.each([
    ['with a length', 'Content-Length: 4\r\n\r\ngone'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2\r\nne\r\n0\r\n\r\n'],
  ])('resolves with a body %s while the socket stays open', async (_how, rest) => {
    const reader = new HttpAnswerReader();
    for (const byte of `HTTP/1.1 404 Not Found\r\n${rest}`) reader.push(Buffer.from(byte));
    expect(await reader.answer).toMatchObject({ status: 404, body: 'gone' });
  });

  it('takes the end of the socket for the end of a body without a length', async () => {
    const reader = new HttpAnswerReader();
    reader.push(Buffer.from('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\nlater'));
    reader.end(null);
    expect(await reader.answer).toEqual({ status: 503, headers: { 'retry-after': '7' }, body: 'later' });
  });

  it('joins a header that came twice', async () => {
    const reader = new HttpAnswerReader();
    reader.push(Buffer.from('HTTP/1.1 200 OK\r\nVary: a\r\nVary: b\r\nContent-Length: 0\r\n\r\n'));
    expect((await reader.answer).headers['vary']).toBe('a, b');
  });

  it('rejects when the socket ends without an answer', async () => {
    const reader = new HttpAnswerReader();
    reader.end(null);
    await expect(reader.answer).rejects.toThrow('closed without an answer');
  });
});
