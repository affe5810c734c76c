import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';

import type { WebSocket, WebSocketServer } from 'ws';

import { InitDeadlines } from './init-deadlines.js';

const TIMEOUT_MS = 3000;

function start() {
  const node = { attendedMs: 500 };
  const deadlines = new InitDeadlines(node, TIMEOUT_MS);
  const server = new EventEmitter();
  deadlines.serve(server as WebSocketServer);
  const closed: [name: string, code: number][] = [];
  const open = (name: string) => {
    const socket = { close: (code: number) => closed.push([name, code]) } as unknown as WebSocket;
    server.emit('connection', socket);
    return socket;
  };
  return { node, deadlines, closed, open };
}

describe('InitDeadlines', () => {
  it('closes each client once that was silent for the whole attended time', () => {
    const { node, deadlines, closed, open } = start();
    open('first');
    node.attendedMs += 1;
    open('second');
    node.attendedMs = 500 + TIMEOUT_MS - 1;
    deadlines.check();
    expect(closed).toEqual([]);
    node.attendedMs++;
    deadlines.check();
    expect(closed).toEqual([['first', 4408]]);
    node.attendedMs++;
    deadlines.check();
    expect(closed).toEqual([
      ['first', 4408],
      ['second', 4408],
    ]);
  });

  it('leaves a client whose connection_init has arrived', () => {
    const { node, deadlines, closed, open } = start();
    deadlines.received({ extra: { socket: open('first') } });
    node.attendedMs += TIMEOUT_MS;
    deadlines.check();
    expect(closed).toEqual([]);
  });
});
