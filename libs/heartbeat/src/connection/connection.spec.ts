import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';

import type { WebSocket } from 'ws';

import type { Closing } from './connection.types.js';
import type { ConnectionOwner } from './connection.types.js';
import { Connection } from './connection.js';
import { Link } from './link.js';
import { NEVER, phaseOf } from './pulse.js';

/** Writes down what it is asked to do, in order. */
class FakeSocket {
  readonly done: unknown[][] = [];
  isPaused = false;

  send(data: unknown): void {
    this.done.push(['send', data]);
  }

  close(code: number, reason: string): void {
    this.done.push(['close', code, reason]);
  }

  terminate(): void {
    this.done.push(['terminate']);
  }
}

const kicked: Closing = { code: 4500, reason: 'kicked', by: 'operator' };
const goingAway: Closing = { code: 1001, reason: 'server is going away', by: 'server' };

describe('Connection', () => {
  let socket: FakeSocket;
  let network: {
    bytesRead: number;
    bytesWritten: number;
    writableLength: number;
    _handle?: { bytesWritten: number; writeQueueSize: number } | null;
    paused: boolean;
    isPaused(): boolean;
  };
  /** How often the last message was taken out of the count, and whether there is room for one. */
  let uncounted: number;
  let mayQueue: boolean;
  let time: number;

  const owner: ConnectionOwner<Connection> = {
    mayQueue: () => mayQueue,
    uncountSent: () => void uncounted++,
    catchUp: () => undefined,
    silenced: () => undefined,
    holdAnswers: () => false,
    releaseAnswers: () => undefined,
    idOf: serial => `node-1.${serial}`,
    now: () => time,
    attended: () => Math.trunc(time / 2),
    identified: () => undefined,
    failed: () => undefined,
  };

  function open(): Connection {
    return new Connection(owner, 7, {
      socket: socket as unknown as WebSocket,
      network: network as unknown as Socket,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
  }

  beforeEach(() => {
    socket = new FakeSocket();
    network = { bytesRead: 400, bytesWritten: 130, writableLength: 0, paused: false, isPaused: () => network.paused };
    [uncounted, mayQueue] = [0, true];
    time = 1000.7;
  });

  it('begins open, anonymous and silent', () => {
    const connection = open();
    expect(connection).toMatchObject({
      id: 'node-1.7',
      state: 'open',
      userId: null,
      labels: {},
      openedAt: 1000,
      lastSeenAt: 1000,
      lastMessageAt: NEVER,
      rttMs: null,
      bytesIn: 0,
      bytesOut: 0,
      closing: null,
      ended: false,
      paused: false,
    });
    expect(connection.pulse).toMatchObject({ openedAt: 500, bytesSeen: 400 });
  });

  it.each([
    [3, 'in one write', [3]],
    [1, 'at once, each for itself', [1, 1, 1]],
  ])('sends three answers with %d handlers in flight %s', async (inFlight, _how, expected) => {
    const writes: number[] = [];
    const line = new Writable({
      write: (_bytes, _encoding, done) => (writes.push(1), done()),
      writev: (pieces, done) => (writes.push(pieces.length), done()),
    });
    network = Object.assign(line, { bytesRead: 0, bytesWritten: 0, paused: false, isPaused: () => false });
    socket.send = (data: unknown) => void line.write(data);
    const connection = open();
    connection.inFlight = inFlight;
    for (const answer of ['one', 'two', 'three']) connection.answer(answer);
    expect(writes).toEqual(inFlight === 1 ? expected : []);
    await new Promise(resolve => process.nextTick(resolve));
    expect([writes, line.writableCorked]).toEqual([expected, 0]);
  });

  it('has the phase of its place among those that opened', () => {
    const connection = open();
    expect(connection.pulse.phase).toBe(phaseOf(connection.serial));
  });

  it('counts the bytes since the opening only', () => {
    const connection = open();
    Object.assign(network, { bytesRead: 410, bytesWritten: 150 });
    expect([connection.bytesIn, connection.bytesOut]).toEqual([10, 20]);
  });

  it('counts out what the network has taken, not what waits, and never less than before', () => {
    const connection = open();
    const seen: number[] = [];
    const states = [
      { bytesWritten: 10_130, writableLength: 10_000, _handle: { bytesWritten: 10_130, writeQueueSize: 9000 } },
      { _handle: { bytesWritten: 10_130, writeQueueSize: 4000 } },
      // At the destruction the handle has gone, and Node counts the write that was under way as waiting, until it is given up.
      { _handle: null, _bytesDispatched: 10_130 },
      { writableLength: 0 },
    ];
    for (const state of states) {
      Object.assign(network, state);
      seen.push(connection.bytesOut);
    }
    expect(seen.slice(0, 2)).toEqual([1000, 6000]);
    expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  });

  describe('an event of the application heartbeat', () => {
    let connection: Connection;

    // A socket that counts what it sends, as the tracked one does.
    beforeEach(() => {
      connection = open();
      socket.send = data => void (connection.queue(String(data).length) && socket.done.push(['send', data]));
    });

    it('is no message that was sent, and keeps nobody from being idle', () => {
      connection.sendHeartbeatEvent('beat');
      expect(socket.done).toEqual([['send', 'beat']]);
      expect([connection.messagesOut, connection.pulse.activeAt, uncounted]).toEqual([0, NEVER, 1]);
    });

    it('is taken out of no count where it was dropped', () => {
      mayQueue = false;
      connection.sendHeartbeatEvent('beat');
      expect([socket.done, connection.messagesOut, uncounted]).toEqual([[], 0, 0]);
    });

    it('leaves the count of the messages before it', () => {
      socket.send('hello');
      const { activeAt } = connection.pulse;
      time += 5000;
      connection.sendHeartbeatEvent('beat');
      expect([connection.messagesOut, connection.pulse.activeAt, uncounted]).toEqual([1, activeAt, 1]);
    });
  });

  it('is probing while a ping is unanswered', () => {
    const connection = open();
    connection.pulse.pinged(0, 0.5);
    expect(connection.state).toBe('probing');
    connection.pulse.markAlive(0);
    expect(connection.state).toBe('open');
  });

  it.each([
    [false, false, false],
    [true, false, true],
    [false, true, true],
  ])('with the socket paused: %s and the network paused: %s is paused: %s', (ofSocket, ofNetwork, paused) => {
    socket.isPaused = ofSocket;
    network.paused = ofNetwork;
    expect(open().paused).toBe(paused);
  });

  describe('end', () => {
    it('closes once: the first to say how is believed', () => {
      const connection = open();
      expect(connection.end(kicked)).toBe(true);
      expect(connection.end(goingAway, 500)).toBe(false);
      connection.closeBegun(goingAway);
      expect(socket.done).toEqual([['close', 4500, 'kicked']]);
      expect(connection).toMatchObject({ state: 'closing', closing: kicked, ended: false });
    });

    it('does nothing once the connection is over', () => {
      const connection = open();
      connection.finish({ code: 1000, reason: '', by: 'client' });
      expect(connection.end(kicked)).toBe(false);
      expect(socket.done).toEqual([]);
    });

    it('tells the delay in the close frame', () => {
      open().end(goingAway, 4200);
      expect(socket.done).toEqual([['close', 1001, 'server is going away; retry-after=4200']]);
    });

    it.each([
      ['with the delay', 4200, { code: 1001, reason: 'server is going away', retryAfterMs: 4200 }],
      ['without a delay', undefined, { code: 1001, reason: 'server is going away' }],
    ])('says goodbye before, %s, to a client of the application heartbeat', (_what, retryAfterMs, data) => {
      const connection = open();
      connection.appHeartbeat = true;
      connection.end(goingAway, retryAfterMs);
      expect(socket.done[0]).toEqual(['send', JSON.stringify({ event: 'goodbye', data })]);
      expect(socket.done.slice(1)).toEqual([['close', 1001, expect.stringContaining('server is going away')]]);
    });

    it('takes the connection out of the heartbeat’s wheel', () => {
      const [connection, wheel] = [open(), new Link()];
      connection.pulse.appendTo(wheel);
      connection.end(kicked);
      expect(wheel.next).toBe(wheel);
    });
  });

  describe('destroy', () => {
    it('ends without a handshake, and is recorded as told', () => {
      const connection = open();
      connection.destroy(kicked);
      expect(socket.done).toEqual([['terminate']]);
      expect(connection).toMatchObject({ state: 'closing', closing: kicked });
    });

    it('leaves the record of a close that was begun before', () => {
      const connection = open();
      connection.end(kicked);
      connection.destroy(goingAway);
      expect([connection.closing, socket.done.at(-1)]).toEqual([kicked, ['terminate']]);
    });
  });

  describe('close', () => {
    it('is a normal one by default', () => {
      const connection = open();
      connection.close();
      expect([connection.closing, socket.done]).toEqual([
        { code: 1000, reason: '', by: 'server' },
        [['close', 1000, '']],
      ]);
    });

    it('cuts the reason to what fits into a close frame', () => {
      open().close(4999, 'é'.repeat(100));
      expect(socket.done).toEqual([['close', 4999, 'é'.repeat(61)]]);
    });

    it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1, Number.NaN])('refuses the code %d', code => {
      const connection = open();
      expect(() => connection.close(code)).toThrow(`close code ${code} cannot be sent`);
      expect([connection.state, socket.done]).toEqual(['open', []]);
    });
  });
});
