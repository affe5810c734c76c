import { beforeEach, describe, expect, it } from '@jest/globals';

import type { CauseNote } from './history/flight-note.js';
import type { Closing } from './connection.types.js';
import type { ConnectionOwner } from './connection-owner.js';
import { Connection } from './connection.js';
import { Link } from './link.js';
import { NEVER, phaseOf } from './pulse.js';
import { transmit } from './sending.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

/** Records its calls, in order. */
class FakeSocket {
  readonly done: unknown[][] = [];

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
const byAnn: CauseNote = { kind: 'kicked', by: 'ann' };
const drained: CauseNote = { kind: 'drained', reason: 'SIGTERM' };

describe('Connection', () => {
  let socket: FakeSocket;
  let network: {
    bytesRead: number;
    bytesWritten: number;
    writableLength: number;
  };
  /** The calls of the policy, and its result. */
  let asked: [kind: string, bytes: number][];
  let isAdmitted: boolean;
  let time: number;

  const owner: ConnectionOwner = {
    admits: (_connection, kind, bytes) => (asked.push([kind, bytes]), isAdmitted),
    beforePong: () => undefined,
    catchUp: () => undefined,
    silenced: () => undefined,
    hasBegun: () => false,
    disposing: () => undefined,
    idOf: serial => `node-1.${serial}`,
    now: () => time,
    attended: () => Math.trunc(time / 2),
    identified: () => undefined,
    failed: () => undefined,
  };

  function open(): Connection {
    return new Connection(owner, 7, {
      transport: transportOf(socket, network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
  }

  beforeEach(() => {
    socket = new FakeSocket();
    network = { bytesRead: 400, bytesWritten: 130, writableLength: 0 };
    [asked, isAdmitted] = [[], true];
    time = 1000.7;
  });

  it('starts open, anonymous and silent', () => {
    const connection = open();
    expect(connection).toMatchObject({
      id: 'node-1.7',
      state: 'open',
      userId: null,
      labels: {},
      openedAt: 1000,
      lastMessageAt: NEVER,
      rttMs: null,
      bytesIn: 0,
      bytesOut: 0,
      closing: null,
      ended: false,
    });
    expect(connection.pulse).toMatchObject({ openedAt: 500, bytesSeen: 400, lastSeenAt: 1000 });
  });

  it('has the phase of its position among the opened connections', () => {
    const connection = open();
    expect(connection.pulse.phase).toBe(phaseOf(connection.serial));
  });

  it('counts the bytes since the opening only', () => {
    const connection = open();
    Object.assign(network, { bytesRead: 410, bytesWritten: 150 });
    expect([connection.bytesIn, connection.bytesOut]).toEqual([10, 20]);
  });

  it.each([
    ['message', 1],
    ['answer', 1],
    ['event', 0],
  ] as const)('counts what is admitted as a message of the application: %s', (kind, count) => {
    const connection = open();
    transmit(connection, kind, 'aé');
    expect([asked, socket.done]).toEqual([[[kind, 3]], [['send', 'aé']]]);
    expect([connection.messagesOut, connection.pulse.activeAt]).toEqual([count, count === 1 ? 500 : NEVER]);
  });

  it('counts and sends nothing that is not admitted, and reports it', async () => {
    isAdmitted = false;
    const connection = open();
    transmit(connection, 'event', 'beat');
    await expect(connection.send('hello')).rejects.toMatchObject({ code: 'HEARTBEAT_MESSAGE_DROPPED' });
    expect([socket.done, connection.messagesOut, connection.pulse.activeAt]).toEqual([[], 0, NEVER]);
  });

  it('is probing while a ping is unanswered', () => {
    const connection = open();
    connection.pulse.pinged(0, 0.5);
    expect(connection.state).toBe('probing');
    connection.pulse.markAlive(0);
    expect(connection.state).toBe('open');
  });

  describe('end', () => {
    it('closes once: the first close counts', () => {
      const connection = open();
      expect(connection.end(kicked, byAnn)).toBe(true);
      expect(connection.end(goingAway, drained, 500)).toBe(false);
      connection.closeBegun(goingAway);
      expect(socket.done).toEqual([['close', 4500, 'kicked']]);
      expect(connection).toMatchObject({ state: 'closing', closing: kicked, ended: false });
    });

    it('notes the cause of the first close only, before the transport closes', () => {
      const connection = open();
      const shut = connection.channel.shut.bind(connection.channel);
      connection.channel.shut = (code, reason) => {
        expect(connection.flight?.at(-1)).toEqual(byAnn);
        shut(code, reason);
      };
      connection.end(kicked, byAnn);
      connection.end(goingAway, drained);
      connection.destroy(goingAway, drained);
      expect(connection.flight?.filter(value => typeof value !== 'number')).toEqual([byAnn]);
      expect(socket.done).toEqual([['close', 4500, 'kicked'], ['terminate']]);
    });

    it('does nothing once the connection has ended', () => {
      const connection = open();
      connection.finish({ code: 1000, reason: '', by: 'client' });
      expect(connection.end(kicked, byAnn)).toBe(false);
      expect(socket.done).toEqual([]);
    });

    it('sends the delay in the close frame', () => {
      open().end(goingAway, drained, 4200);
      expect(socket.done).toEqual([['close', 1001, 'server is going away; retry-after=4200']]);
    });

    it.each([
      ['with the delay', 4200, { code: 1001, reason: 'server is going away', retryAfterMs: 4200 }],
      ['without a delay', undefined, { code: 1001, reason: 'server is going away' }],
    ])('announces the close, %s, to a client of the application heartbeat', (_what, retryAfterMs, data) => {
      const connection = open();
      connection.appHeartbeat = true;
      connection.end(goingAway, drained, retryAfterMs);
      expect(socket.done[0]).toEqual(['send', JSON.stringify({ event: 'goodbye', data })]);
      expect(socket.done.slice(1)).toEqual([['close', 1001, expect.stringContaining('server is going away')]]);
    });

    it('removes the connection from the heartbeat’s wheel', () => {
      const [connection, wheel] = [open(), new Link()];
      connection.pulse.appendTo(wheel);
      connection.end(kicked, byAnn);
      expect(wheel.next).toBe(wheel);
    });
  });

  describe('destroy', () => {
    it('ends without a handshake, and records the given close', () => {
      const connection = open();
      connection.destroy(kicked, byAnn);
      expect(socket.done).toEqual([['terminate']]);
      expect(connection).toMatchObject({ state: 'closing', closing: kicked });
    });

    it('keeps the record of a close that was begun before', () => {
      const connection = open();
      connection.end(kicked, byAnn);
      connection.destroy(goingAway, drained);
      expect([connection.closing, socket.done.at(-1)]).toEqual([kicked, ['terminate']]);
    });
  });

  describe('close', () => {
    it('is a normal close by default', () => {
      const connection = open();
      connection.close();
      expect([connection.closing, socket.done]).toEqual([
        { code: 1000, reason: '', by: 'server' },
        [['close', 1000, '']],
      ]);
    });

    it('cuts the reason to the length of a close frame', () => {
      open().close(4999, 'é'.repeat(100));
      expect(socket.done).toEqual([['close', 4999, 'é'.repeat(61)]]);
    });

    it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1, Number.NaN])('rejects the code %d', code => {
      const connection = open();
      expect(() => connection.close(code)).toThrow(`close code ${code} cannot be sent`);
      expect([connection.state, socket.done]).toEqual(['open', []]);
    });
  });
});
