import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { PollingTraffic } from './polling-traffic.js';

const HEAD = 'GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n';

/** A network socket that several clients may use, one after the other. */
class Line {
  bytesRead = 0;
  bytesWritten = 0;
  writableLength = 0;

  request(method: string, contentLength = '0') {
    this.bytesRead += HEAD.length;
    const headers = { 'content-length': contentLength };
    const request = { method, url: '/socket.io/', rawHeaders: ['Host', 'a'], headers, socket: this, complete: false };
    const response = Object.assign(new EventEmitter(), { writableLength: 0 });
    return {
      request: request as unknown as IncomingMessage & { complete: boolean },
      response: response as unknown as ServerResponse,
    };
  }
}

describe('PollingTraffic', () => {
  it('counts the head of a request, then what arrives and leaves until its response has ended', () => {
    const [traffic, line] = [new PollingTraffic(), new Line()];
    line.bytesRead = 5000;
    const { request, response } = line.request('GET');
    traffic.requested(request, response);
    expect([traffic.bytesRead, traffic.bytesTaken]).toEqual([HEAD.length, 0]);
    line.bytesWritten += 300;
    expect(traffic.bytesTaken).toBe(300);
    response.emit('close');
    // The same socket then serves another client.
    line.bytesRead += 10_000;
    line.bytesWritten += 10_000;
    expect([traffic.bytesRead, traffic.bytesTaken]).toEqual([HEAD.length, 300]);
  });

  it('counts a body from its first byte, also the part that was read together with the head', () => {
    const [traffic, line] = [new PollingTraffic(), new Line()];
    const { request, response } = line.request('POST', '100');
    line.bytesRead += 40;
    traffic.requested(request, response);
    const before = traffic.bytesRead;
    expect(traffic.hasIncompleteMessage).toBe(true);
    line.bytesRead += 10;
    expect(traffic.bytesRead).toBe(before + 10);
  });

  it('counts what waits in a response', () => {
    const [traffic, line] = [new PollingTraffic(), new Line()];
    const { request, response } = line.request('GET');
    traffic.requested(request, response);
    Object.assign(response, { writableLength: 70 });
    expect(traffic.bytesWaiting).toBe(70);
    response.emit('close');
    expect(traffic.bytesWaiting).toBe(0);
  });
});
