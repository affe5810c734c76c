import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { HeldAnswers } from './held-answers.js';
import { InboundService } from './inbound.service.js';
import { IncompleteMessageService } from './incomplete-message.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

class FakeSocket {
  isPaused = false;
  readonly closed: [number, string][] = [];

  hasIncompleteMessage = false;

  begin(): void {
    this.hasIncompleteMessage = true;
  }

  finish(): void {
    this.hasIncompleteMessage = false;
  }

  close(code: number, reason: string): void {
    this.closed.push([code, reason]);
  }
}

describe('IncompleteMessageService', () => {
  let node: NodeState;
  let connections: ConnectionService;
  let unfinished: IncompleteMessageService;
  let socket: FakeSocket;
  let network: { bytesRead: number };
  let connection: Connection;

  const bytesCome = () => void (network.bytesRead += 5);

  function start(limits: HeartbeatOptions['limits'] = {}): void {
    const clock = { now: () => node?.attendedMs ?? 0, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions({ limits }), clock);
    const events = new HeartbeatEvents();
    connections = wireNode(node, events).connections;
    unfinished = new IncompleteMessageService(node, connections, events);
    socket = new FakeSocket();
    network = { bytesRead: 0 };
    connection = connections.open({
      transport: transportOf(socket, network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
  }

  /** Advances the time, and sweeps once a second. */
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      node.attendedMs += 1000;
      await unfinished.sweep();
    }
  }

  beforeEach(() => start());
  afterEach(() => {
    jest.useRealTimers();
  });

  it('closes with 4004 a client with an incomplete message, and records it', async () => {
    socket.begin();
    await unfinished.sweep();
    await pass(9);
    expect(connection.closing).toBeNull();
    await pass(1);
    expect(socket.closed).toEqual([[4004, 'message unfinished for too long']]);
    expect(connections.detail(connection.id)?.flight.at(-1)?.what).toBe('a message stayed unfinished');
  });

  it('is accurate to a second, for any start of the message', async () => {
    await pass(3);
    node.attendedMs += 900;
    socket.begin();
    await pass(11);
    expect(connection.closing?.code).toBe(4004);
  });

  it('accepts a message that is completed in time, and judges the next separately', async () => {
    for (let message = 0; message < 5; message++) {
      socket.begin();
      await pass(8);
      socket.finish();
      await pass(1);
    }
    expect(connection.closing).toBeNull();
  });

  it('distinguishes two messages also without a sweep between them', async () => {
    socket.begin();
    for (let message = 0; message < 5; message++) {
      await pass(8);
      // One is completed and another begun before the next check.
      connection.countReceived(node.attendedMs);
    }
    expect(connection.closing).toBeNull();
    await pass(11);
    expect(connection.closing?.code).toBe(4004);
  });

  it('does not judge a connection that is not read, and starts again when it is read', async () => {
    socket.begin();
    await pass(8);
    socket.isPaused = true;
    await pass(30);
    socket.isPaused = false;
    await pass(9);
    expect(connection.closing).toBeNull();
    await pass(2);
    expect(connection.closing?.code).toBe(4004);
  });

  it('counts attended time only', async () => {
    socket.begin();
    for (let turn = 0; turn < 30; turn++) await unfinished.sweep();
    expect(connection.closing).toBeNull();
  });

  it('ignores a connection that is closing', async () => {
    connection.close(4321);
    socket.begin();
    await pass(30);
    expect(socket.closed).toEqual([[4321, '']]);
  });

  it('checks only after pending input was read', async () => {
    socket.begin();
    await pass(9);
    node.attendedMs += 1000;
    const sweep = unfinished.sweep();
    socket.finish();
    await sweep;
    expect(connection.closing).toBeNull();
  });

  describe('reports when bytes arrived', () => {
    it('of an incomplete message, while they arrive', async () => {
      socket.begin();
      bytesCome();
      await pass(2);
      expect(connection.pulse.bytesAt).toBe(0);
      bytesCome();
      await pass(3);
      // Since the sweep before the one that found them.
      expect([connection.pulse.bytesAt, connection.pulse.lastSeenAt]).toEqual([2000, 3000]);
    });

    it('and until when no unknown bytes arrived', async () => {
      await pass(2);
      expect(node.accountedUntil).toBe(2000);
      node.attendedMs = 2500;
      const sweep = unfinished.sweep();
      node.attendedMs = 2600;
      await sweep;
      // Bytes may have arrived directly after it.
      expect(node.accountedUntil).toBe(2600);
    });

    it('of a ping', () => {
      node.attendedMs = 700;
      new InboundService(node, new HeartbeatEvents(), { closeIfBanned: () => undefined }, new HeldAnswers()).pinged(
        connection,
      );
      expect(connection.pulse.bytesAt).toBe(700);
    });
  });

  it('runs one sweep at a time', async () => {
    const all = jest.spyOn(connections, 'all');
    await Promise.all([unfinished.sweep(), unfinished.sweep()]);
    expect(all).toHaveBeenCalledTimes(1);
    await unfinished.sweep();
    expect(all).toHaveBeenCalledTimes(2);
  });

  it('closes no client without a timeout, and still reports when bytes arrived', async () => {
    start({ messageTimeoutMs: 0 });
    socket.begin();
    bytesCome();
    await pass(60);
    expect([connection.closing, connection.pulse.bytesAt, node.accountedUntil]).toEqual([null, 0, 60_000]);
  });

  it('sweeps once a second, and leaves no timer', () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    const sweep = jest.spyOn(unfinished, 'sweep').mockResolvedValue();
    unfinished.onApplicationBootstrap();
    jest.advanceTimersByTime(3000);
    expect(sweep).toHaveBeenCalledTimes(3);
    unfinished.onApplicationShutdown();
    expect(jest.getTimerCount()).toBe(0);
  });
});
