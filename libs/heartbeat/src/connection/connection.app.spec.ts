import { beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Subject } from 'rxjs';

import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Identity } from '../base/identity.js';
import type { Closing } from './connection.types.js';
import type { ConnectionOwner } from './connection-owner.js';
import { Connection } from './connection.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

/** Records its calls, in order. */
class FakeSocket {
  readonly done: unknown[][] = [];
  sendError: Error | undefined;
  /** Sends stay pending until this is called. */
  flush: () => void = () => undefined;

  send(data: unknown, callback?: (error?: Error) => void): void {
    this.done.push(['send', data]);
    this.flush = () => callback?.(this.sendError);
  }

  close(code: number, reason: string): void {
    this.done.push(['close', code, reason]);
  }
}

const kicked: Closing = { code: 4500, reason: 'kicked', by: 'operator' };

function failing(): never {
  throw new Error('disposer');
}

describe('Connection, used by the app', () => {
  let socket: FakeSocket;
  const network = { bytesRead: 400, bytesWritten: 130, writableLength: 0 };
  let time: number;
  let identified: [string | null, Identity | null][];
  let failures: [string, unknown][];
  let pendings: Promise<void>[];

  const owner: ConnectionOwner = {
    admits: () => true,
    beforePong: () => undefined,
    catchUp: () => undefined,
    silenced: () => undefined,
    hasBegun: () => false,
    disposing: pending => void pendings.push(pending),
    idOf: serial => `node-1.${serial}`,
    now: () => time,
    attended: () => Math.trunc(time / 2),
    identified: (connection, previous) => void identified.push([connection.userId, previous]),
    failed: (_connection, what, error) => void failures.push([what, error]),
  };

  function open(identity: Identity | null = null): Connection {
    return new Connection(owner, 7, {
      transport: transportOf(socket, network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity,
    });
  }

  beforeEach(() => {
    socket = new FakeSocket();
    time = 1000.7;
    identified = [];
    failures = [];
    pendings = [];
  });

  describe('send', () => {
    it.each<[string, unknown, unknown]>([
      ['text', 'hi', 'hi'],
      ['an empty text', '', ''],
      ['bytes', Buffer.from('hi'), Buffer.from('hi')],
      ['a typed array', new Uint8Array([1, 2]), Buffer.from([1, 2])],
      ['a part of a wider one, byte by byte', new Uint16Array([7, 1000, 2]).subarray(1), Buffer.from([0xe8, 3, 2, 0])],
      ['an array buffer', new ArrayBuffer(2), Buffer.alloc(2)],
      ['an object as JSON', { event: 'a', data: [1] }, '{"event":"a","data":[1]}'],
      ['a number as JSON', 5, '5'],
      ['null as JSON', null, 'null'],
    ])('sends %s', async (_what, data, sent) => {
      const sending = open().send(data);
      expect(socket.done).toEqual([['send', sent]]);
      socket.flush();
      await expect(sending).resolves.toBeUndefined();
    });

    it('resolves only when the bytes have left', async () => {
      const told = jest.fn();
      const sending = open().send('hi').then(told);
      await new Promise(resolve => setImmediate(resolve));
      expect(told).not.toHaveBeenCalled();
      socket.flush();
      await sending;
      expect(told).toHaveBeenCalledTimes(1);
    });

    it('rejects with the close, if the connection ends first', async () => {
      const connection = open();
      const sending = connection.send('hi');
      connection.end(kicked, { kind: 'kicked', by: 'ann' });
      socket.sendError = new Error('write EPIPE');
      connection.finish(kicked);
      socket.flush();
      await expect(sending).rejects.toMatchObject({
        code: 'HEARTBEAT_CONNECTION_CLOSED',
        message: 'connection node-1.7 is closed: 4500 kicked',
      });
    });

    it('rejects, and does not throw, where the data cannot be sent', async () => {
      const connection = open();
      let sending: Promise<void> | undefined;
      expect(() => (sending = connection.send({ amount: 5n }))).not.toThrow();
      await expect(sending).rejects.toThrow('BigInt');
    });
  });

  it('keeps the user and labels of its last identification when the given object changes', () => {
    const connection = open({ userId: 'ann' });
    const labels: Record<string, string> = { room: 'a', ['__proto__']: 'b' };
    connection.identify({ userId: 'bob', labels });
    labels.room = 'changed';
    expect(connection.userId).toBe('bob');
    expect(Object.entries(connection.labels)).toEqual([
      ['room', 'a'],
      ['__proto__', 'b'],
    ]);
    expect(Object.isFrozen(connection.identity) && Object.isFrozen(connection.labels)).toBe(true);
    expect(identified).toEqual([['bob', { userId: 'ann', labels: {} }]]);
  });

  it('keeps its identity from the opening when the given object changes', () => {
    const identity = { userId: 'ann', labels: { room: 'a' }, expiresAt: 5 };
    const connection = open(identity);
    Object.assign(identity, { userId: 'bob', expiresAt: 6 });
    identity.labels.room = 'b';
    expect(connection.identity).toEqual({ userId: 'ann', labels: { room: 'a' }, expiresAt: 5 });
    expect(Object.isFrozen(connection.identity) && Object.isFrozen(connection.labels)).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'it is undefined'],
    ['null', null, 'it is null'],
    ['a text', 'ann', 'it is a text'],
    ['no user', {}, 'userId is undefined'],
    ['a user without a name', { userId: '' }, 'userId is an empty text'],
    ['a user that is no text', { userId: 7 }, 'userId is a number'],
    ['an end that is not a time', { userId: 'ann', expiresAt: new Date('soon') }, 'expiresAt is an invalid Date'],
    ['a label that is no text', { userId: 'ann', labels: { room: undefined } }, 'labels.room is undefined'],
  ])('is not identified by %s, and keeps its identity', (_what, identity, problem) => {
    const connection = open({ userId: 'ann' });
    let thrown: unknown;
    try {
      connection.identify(identity as Identity);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HeartbeatError);
    expect(thrown).toMatchObject({ code: 'HEARTBEAT_BAD_IDENTITY', message: expect.stringContaining(problem) });
    expect([connection.userId, identified]).toEqual(['ann', []]);
  });

  it('is not added to the user index after its end', () => {
    const connection = open();
    connection.finish(kicked);
    connection.identify({ userId: 'ann' });
    expect([identified, connection.userId]).toEqual([[], 'ann']);
  });

  it('counts messages in both directions, each with its time', () => {
    const connection = open();
    time = 3000.9;
    connection.countReceived(time);
    connection.admits('message', 0);
    expect(connection).toMatchObject({ messagesIn: 1, messagesOut: 1, lastMessageAt: 3000 });
    expect(connection.pulse).toMatchObject({ messageAt: 1500, activeAt: 1500, lastSeenAt: 3000 });
  });

  it('has work while a lease is in force', () => {
    const connection = open();
    expect(connection.hasWork).toBe(false);
    const lease = connection.busy('an answer', { atMostMs: 500 });
    connection.busy('a call').done();
    expect([connection.hasWork, connection.lifetime?.leases?.count(time)]).toEqual([true, 1]);
    time += 500;
    expect(connection.hasWork).toBe(false);
    lease.done();
    expect(() => connection.busy('')).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_BUSY' }));
  });

  describe('after its end', () => {
    it('takes no lease, aborts the signal of a drain, and reports the promise of a disposer', async () => {
      const connection = open();
      connection.busy('an answer');
      connection.finish(kicked);
      connection.busy('late').done();
      expect([connection.hasWork, connection.draining.aborted]).toEqual([false, true]);
      connection.defer(() => Promise.resolve());
      connection.defer(() => undefined);
      expect(await Promise.all(pendings)).toEqual([undefined]);
    });

    it('keeps the close that was begun, not the one that was reported', () => {
      const connection = open();
      connection.closeBegun(kicked);
      connection.finish({ code: 1006, reason: '', by: 'network' });
      expect(connection).toMatchObject({ closing: kicked, ended: true, state: 'closing' });
    });

    it('aborts the signal with its end, requested before or after', () => {
      const [asked, late] = [open(), open()];
      const before = asked.signal;
      expect([before.aborted, asked.signal === before]).toEqual([false, true]);
      for (const connection of [asked, late]) connection.finish(kicked);
      for (const { reason, aborted } of [before, asked.signal, late.signal]) {
        expect(aborted).toBe(true);
        expect(reason).toBeInstanceOf(HeartbeatError);
        expect(reason).toMatchObject({
          code: 'HEARTBEAT_CONNECTION_CLOSED',
          message: expect.stringContaining('4500 kicked'),
        });
      }
    });

    it('runs deferred disposers, last in first out, and later ones at once', () => {
      const connection = open();
      const ran: string[] = [];
      connection.defer(() => ran.push('first'));
      connection.defer(() => {
        ran.push('second');
        connection.defer(() => ran.push('from within'));
      });
      connection.finish(kicked);
      connection.defer(() => ran.push('late'));
      expect(ran).toEqual(['second', 'from within', 'first', 'late']);
    });

    it('reports errors of disposers, before and after the end', () => {
      const connection = open();
      connection.defer(failing);
      connection.finish(kicked);
      connection.defer(failing);
      expect(failures).toEqual(Array.from({ length: 2 }, () => ['a disposer', new Error('disposer')]));
    });

    it('ends its streams, and one that is added late', () => {
      const connection = open();
      const [held, late] = [new Subject(), new Subject()];
      connection.hold(held.subscribe());
      connection.finish(kicked);
      connection.hold(late.subscribe());
      expect([held.observed, late.observed]).toEqual([false, false]);
    });
  });
});
