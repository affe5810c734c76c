import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

import { until } from '../../../../../test/support/assert/until.js';
import { bytesTaken } from './bytes-taken.js';

const MIB = 1024 * 1024;

describe('bytesTaken', () => {
  it.each([
    ['of a socket that has closed', null],
    ['of an object without a handle', undefined],
  ])('uses the public numbers: %s', (_what, handle) => {
    const socket = { bytesWritten: 5000, writableLength: 2000, _handle: handle } as unknown as Socket;
    expect(bytesTaken(socket)).toBe(3000);
  });

  it('increases with the bytes that the kernel takes, and never decreases, also where a socket with a backlog is destroyed', () => {
    const socket = { bytesWritten: 10_130, writableLength: 10_000 };
    const states = [
      { _handle: { bytesWritten: 10_130, writeQueueSize: 9000 } },
      { _handle: { bytesWritten: 10_130, writeQueueSize: 4000 } },
      // After the destruction there is no handle, and Node counts the pending write as waiting until it is abandoned.
      { _handle: null, _bytesDispatched: 10_130 },
      { writableLength: 0 },
    ];
    const seen = states.map(state => bytesTaken(Object.assign(socket, state) as unknown as Socket));
    expect(seen.slice(0, 2)).toEqual([1130, 6130]);
    expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  });
});

/** A pipe has the same handle as a connection, and needs no network. `cat` reads only as much as is read from it. */
describe('bytesTaken, of a socket of Node’s own', () => {
  const TOTAL = 8 * MIB;
  let cat: ChildProcess;
  let socket: Socket;
  let output: Readable;
  /** The number of bytes at the other end, and the allowed number. */
  let read: number;
  let mayRead: number;

  beforeEach(() => {
    [read, mayRead] = [0, 0];
    cat = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    socket = cat.stdin as Socket;
    socket.on('error', () => undefined);
    output = cat.stdout!;
    output.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read >= mayRead) output.pause();
    });
    output.pause();
  });

  afterEach(async () => {
    cat.kill('SIGKILL');
    await once(cat, 'exit');
  });

  function readUpTo(bytes: number): void {
    mayRead = bytes;
    output.resume();
  }

  it('never decreases, also when the socket is destroyed in the middle of a write', async () => {
    socket.write(Buffer.alloc(TOTAL));
    socket.write(Buffer.alloc(MIB));
    await until(() => bytesTaken(socket) > 0);
    const seen = [bytesTaken(socket)];
    const closed = once(socket, 'close');
    socket.destroy();
    seen.push(bytesTaken(socket));
    await closed;
    seen.push(bytesTaken(socket));
    expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  });

  it('shows the progress of a pending write, which Node’s own numbers do not', async () => {
    socket.write(Buffer.alloc(TOTAL));
    await until(() => bytesTaken(socket) > 0);
    expect(bytesTaken(socket)).toBeLessThan(TOTAL / 2);
    readUpTo(TOTAL / 2);
    await until(() => bytesTaken(socket) >= TOTAL / 2);
    expect(bytesTaken(socket)).toBeLessThan(TOTAL);
    expect(socket.bytesWritten - socket.writableLength).toBe(0);
    readUpTo(TOTAL);
    await until(() => read === TOTAL);
    expect(bytesTaken(socket)).toBe(TOTAL);
  });
});
