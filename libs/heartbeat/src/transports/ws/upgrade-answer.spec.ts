import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Duplex } from 'node:stream';

import type { Refusal } from '../../admission/refusal.js';
import { answerRefusal } from './upgrade-answer.js';

/** The server's end of a socket: it records the bytes written, and is fed the bytes of the client. */
class Line extends Duplex {
  bytes = Buffer.alloc(0);
  taken = 0;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    done();
  }

  get written(): string {
    return this.bytes.toString();
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));

/** The response as an HTTP client parses it. */
function parse(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [status, ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(lines.map(line => line.toLowerCase().split(': ') as [string, string]));
  return { status, headers, body };
}

const atCapacity: Refusal = { status: 503, reason: 'at-capacity', detail: 'Voll – später.', retryAfterMs: 4321 };

describe('answerRefusal', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('responds with the status, the problem, and the time of the next try', () => {
    const line = new Line();
    answerRefusal(line, atCapacity);
    const { status, headers, body } = parse(line.written);
    expect(status).toBe('HTTP/1.1 503 Service Unavailable');
    expect(headers).toEqual({
      connection: 'close',
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'retry-after': '5',
    });
    expect(JSON.parse(body)).toEqual({
      type: 'urn:nestjs-heartbeat:problem:at-capacity',
      title: 'Service Unavailable',
      status: 503,
      detail: 'Voll – später.',
    });
    expect(line.writableEnded).toBe(true);
  });

  it.each([
    [0, '1'],
    [0.2, '1'],
    [1000, '1'],
    [1001, '2'],
    [59_999.5, '60'],
  ])('advises whole seconds, never too few and at least one: %d ms are %s s', (retryAfterMs, seconds) => {
    const line = new Line();
    answerRefusal(line, { ...atCapacity, retryAfterMs });
    expect(parse(line.written).headers['retry-after']).toBe(seconds);
  });

  it.each([
    [400, 'bad-upgrade', 'HTTP/1.1 400 Bad Request'],
    [404, 'no-such-path', 'HTTP/1.1 404 Not Found'],
  ] as const)('responds with %d without the time of the next try', (status, reason, line) => {
    const socket = new Line();
    answerRefusal(socket, { status, reason, detail: 'no' });
    const answer = parse(socket.written);
    expect([answer.status, 'retry-after' in answer.headers]).toEqual([line, false]);
    expect(JSON.parse(answer.body).type).toMatch(new RegExp(`:${reason}$`));
  });

  it('adds the given headers', () => {
    const line = new Line();
    answerRefusal(line, { ...atCapacity, headers: { 'Sec-WebSocket-Version': '13, 8' } });
    expect(parse(line.written).headers).toMatchObject({ 'sec-websocket-version': '13, 8' });
  });

  it('adds the headers of the application, which replace none of its own', () => {
    const line = new Line();
    answerRefusal(line, atCapacity, [
      ['retry-after', '9'],
      ['content-type', 'text/plain'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    expect(line.written.match(/^[^:\r\n]+: .*$/gm)?.filter(each => !each.startsWith('Content-Length'))).toEqual([
      'Connection: close',
      'Content-Type: application/problem+json',
      'Retry-After: 5',
      'set-cookie: a=1',
      'set-cookie: b=2',
    ]);
  });

  it.each([204, 304])('sends no body with %d', status => {
    const line = new Line();
    answerRefusal(line, { status, reason: 'guard-refused', detail: 'no' }, [['etag', '"a"']]);
    const { headers, body } = parse(line.written);
    expect([headers, body]).toEqual([{ connection: 'close', etag: '"a"' }, '']);
  });

  it('writes a head in Latin-1, as Node does, and a body in UTF-8', () => {
    const line = new Line();
    answerRefusal(line, atCapacity, [['x-name', 'Jos\u00e9']]);
    expect(line.bytes.includes(Buffer.from('x-name: Jos\u00e9\r\n', 'latin1'))).toBe(true);
    expect(line.bytes.includes(Buffer.from('Voll – später.'))).toBe(true);
  });

  it('keeps input of the client out of the body', () => {
    const line = new Line();
    answerRefusal(line, { ...atCapacity, detail: 'No WebSocket is served at /a\r\nSet-Cookie: b=c\r\n\r\n<script>.' });
    const { headers, body } = parse(line.written);
    expect(Object.keys(headers)).toEqual(['connection', 'content-type', 'content-length', 'retry-after']);
    expect(JSON.parse(body).detail).toContain('\r\nSet-Cookie');
  });

  it('discards further input of the client, so that the response is not lost', async () => {
    const line = new Line();
    answerRefusal(line, atCapacity);
    line.push(Buffer.alloc(100_000));
    await turn();
    expect([line.readableLength, line.readableFlowing, line.destroyed]).toEqual([0, true, false]);
  });

  it('destroys the socket a second later if the client does not close it', () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const line = new Line();
    answerRefusal(line, atCapacity);
    jest.advanceTimersByTime(999);
    expect(line.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(line.destroyed).toBe(true);
  });

  it('leaves no timer once the client has closed', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const line = new Line();
    answerRefusal(line, atCapacity);
    line.push(null);
    await turn();
    expect([line.destroyed, jest.getTimerCount()]).toEqual([true, 0]);
  });

  it('survives a client that has already disconnected', async () => {
    const line = new Line();
    line.destroy();
    await turn();
    expect(() => answerRefusal(line, atCapacity)).not.toThrow();
  });

  it('survives a client that resets instead of reading the response', async () => {
    const line = new Line();
    answerRefusal(line, atCapacity);
    line.destroy(new Error('ECONNRESET'));
    await turn();
    expect(line.destroyed).toBe(true);
  });
});
