import { createServer, type IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';

import { describe, expect, it } from '@jest/globals';

import { answerAsPlainRequest } from './plain-request.js';
import { ignoreError, stopIgnoringErrors, upgradeOf } from './upgrade.js';

const reset = new Error('write ECONNRESET');

/** A socket with an upgrade that is to be answered as a plain request, and the server's connections. */
function upgraded() {
  const socket = new PassThrough();
  const server = createServer().removeAllListeners('connection');
  const request = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders: [] as string[] } as IncomingMessage;
  const connections: unknown[] = [];
  server.on('connection', connection => connections.push(connection));
  const upgrade = upgradeOf({ request, socket, head: Buffer.alloc(0), leave: () => undefined });
  return { socket, connections, answer: () => answerAsPlainRequest(server, upgrade) };
}

describe('answerAsPlainRequest', () => {
  it('hands the socket to the server, whose parser handles its errors', () => {
    const { socket, connections, answer } = upgraded();
    socket.on('error', ignoreError);
    answer();
    expect(connections).toEqual([socket]);
    expect(socket.listenerCount('error')).toBe(0);
  });

  it('handles the reset of a socket whose last response has ended it', () => {
    const { socket, connections, answer } = upgraded();
    socket.end();
    answer();
    expect(() => socket.emit('error', reset)).not.toThrow();
    expect(connections).toEqual([]);
  });

  it('handles an error that is emitted after the socket was destroyed', async () => {
    const { socket, answer } = upgraded();
    socket.on('error', ignoreError);
    const closed = new Promise(resolve => socket.once('close', resolve));
    socket.destroy(reset);
    answer();
    await closed;
    expect(socket.listeners('error')).toEqual([ignoreError]);
  });
});

describe('stopIgnoringErrors', () => {
  it('keeps the listener of a destroyed socket', () => {
    const socket = new PassThrough().on('error', ignoreError);
    socket.destroy();
    stopIgnoringErrors(socket);
    expect(socket.listeners('error')).toEqual([ignoreError]);
  });
});
