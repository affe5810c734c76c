import { beforeEach, describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { HeartbeatEvents } from '../heartbeat.events.js';
import type { ConnectionService } from '../connection/connection.service.js';
import type { Connection } from '../connection/connection.js';
import type { NodeState } from '../connection/node-state.js';
import { resolveOptions } from '../resolve-options.js';
import { InboundService } from './inbound.service.js';

const MAX = 3;

class FakeSocket {
  isPaused = false;
  readonly done: string[] = [];

  pause(): void {
    this.isPaused = true;
    this.done.push('pause');
  }

  resume(): void {
    this.isPaused = false;
    this.done.push('resume');
  }

  #isHeld = false;

  holdBack(): void {
    if (this.isPaused) return;
    this.#isHeld = true;
    this.pause();
  }

  letGo(): void {
    if (this.#isHeld) this.resume();
    this.#isHeld = false;
  }
}

/** A client whose handlers run until the test ends them. */
class Client {
  readonly socket = new FakeSocket();
  readonly connection = { socket: this.socket, inFlight: 0, ended: false } as unknown as Connection & {
    ended: boolean;
  };
  readonly started: number[] = [];
  readonly #ends = new Map<number, () => void>();

  constructor(private readonly inbound: InboundService) {}

  get running(): number[] {
    return [...this.#ends.keys()];
  }

  send(...messages: number[]): void {
    for (const message of messages) {
      this.inbound.run(this.connection, () => {
        this.started.push(message);
        return new Promise(resolve => this.#ends.set(message, resolve));
      });
    }
  }

  /** Ends these handlers, in this order, each in a turn of its own. */
  async end(...messages: number[]): Promise<void> {
    for (const message of messages) {
      this.#ends.get(message)?.();
      this.#ends.delete(message);
      await new Promise(resolve => setImmediate(resolve));
    }
  }
}

function serviceWith(maxInFlight: number): InboundService {
  const node = { options: resolveOptions({ limits: { maxInFlight } }) } as NodeState;
  return new InboundService(node, {} as ConnectionService, new HeartbeatEvents());
}

describe('InboundService, of handlers in flight', () => {
  let inbound: InboundService;
  let client: Client;

  beforeEach(() => {
    inbound = serviceWith(MAX);
    client = new Client(inbound);
  });

  it('starts at once as many as may run', () => {
    client.send(1, 2, 3);
    expect([client.started, client.connection.inFlight, client.socket.done]).toEqual([[1, 2, 3], 3, []]);
  });

  it('lets the rest wait, and stops reading once', () => {
    client.send(1, 2, 3, 4, 5);
    expect([client.started, client.connection.inFlight, client.socket.done]).toEqual([[1, 2, 3], 3, ['pause']]);
  });

  it('starts who waits in the order of coming, one for each that ends', async () => {
    client.send(1, 2, 3, 4, 5, 6);
    await client.end(2);
    expect([client.started, client.running]).toEqual([
      [1, 2, 3, 4],
      [1, 3, 4],
    ]);
    await client.end(4, 1);
    expect(client.started).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('reads again once nobody waits any more', async () => {
    client.send(1, 2, 3, 4);
    await client.end(1);
    expect(client.socket.isPaused).toBe(true);
    await client.end(2);
    expect(client.socket.done).toEqual(['pause', 'resume']);
    client.send(5, 6);
    expect([client.started, client.socket.done]).toEqual([
      [1, 2, 3, 4, 5],
      ['pause', 'resume', 'pause'],
    ]);
  });

  it('leaves a socket that the app has paused to the app', async () => {
    client.socket.isPaused = true;
    client.send(1, 2, 3, 4);
    await client.end(1, 2, 3, 4);
    expect([client.started, client.socket.done, client.socket.isPaused]).toEqual([[1, 2, 3, 4], [], true]);
  });

  it('stops reading again where the app resumed while some wait, so that what waits stays bounded', () => {
    client.socket.isPaused = true;
    client.send(1, 2, 3, 4);
    client.socket.isPaused = false;
    client.send(5);
    expect(client.socket.isPaused).toBe(true);
  });

  it('lets no client wait for another', () => {
    client.send(1, 2, 3, 4);
    const other = new Client(inbound);
    other.send(1);
    expect([other.started, other.socket.done]).toEqual([[1], []]);
  });

  it('starts nothing that waits once the connection is over', async () => {
    client.send(1, 2, 3, 4, 5);
    client.connection.ended = true;
    await client.end(1, 2, 3);
    expect([client.started, client.connection.inFlight]).toEqual([[1, 2, 3], 0]);
  });

  it('never runs more than it may, starts all in order, and reads whenever nobody waits', async () => {
    const turn = fc.record({ come: fc.nat(5), end: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(turn, { maxLength: 15 }), async (max, turns) => {
        const one = new Client(serviceWith(max));
        let sent = 0;
        for (const { come, end } of turns) {
          // Nothing comes from a socket that is not read.
          if (!one.socket.isPaused) one.send(...Array.from({ length: come }, () => sent++));
          const { running } = one;
          await one.end(...(running.length === 0 ? [] : [running[end % running.length]!]));
          expect(one.running.length).toBe(one.connection.inFlight);
          expect(one.running.length).toBeLessThanOrEqual(max);
          expect(one.started).toEqual(Array.from(one.started, (_, index) => index));
          expect(one.started.length === sent || one.running.length === max).toBe(true);
          expect(one.socket.isPaused || one.started.length === sent).toBe(true);
        }
        while (one.running.length > 0) await one.end(...one.running);
        expect([one.started.length, one.socket.isPaused, one.connection.inFlight]).toEqual([sent, false, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
