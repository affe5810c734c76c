import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import * as fc from 'fast-check';

import type { LimitOptions } from '../options/limits.options.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { HeldAnswers } from './held-answers.js';
import { InboundService } from './inbound.service.js';
import type { RawMessage } from './message-queue.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const MAX = 3;

/** Only whether it is read matters here. The tracked socket decides which pause has priority. */
class FakeSocket {
  isHeld = false;
  readonly done: string[] = [];

  holdBack(): void {
    this.isHeld = true;
    this.done.push('hold back');
  }

  letGo(): void {
    this.isHeld = false;
    this.done.push('let go');
  }
}

/** A client whose handlers run until the test ends them. */
class Client {
  readonly socket = new FakeSocket();
  readonly connection = {
    channel: transportOf(this.socket),
    inFlight: 0,
    flow: null,
    mayBurst: true,
    ended: false,
    closing: null,
  } as unknown as Connection & {
    ended: boolean;
    closing: Closing | null;
  };
  readonly started: number[] = [];
  readonly #ends = new Map<number, () => void>();

  constructor(private readonly inbound: InboundService) {}

  get running(): number[] {
    return [...this.#ends.keys()];
  }

  /** Messages arrive, as in the dispatcher; each has one handler. Resolves when the handlers that may begin have begun. */
  async send(...messages: number[]): Promise<void> {
    for (const message of messages) this.#receive([message]);
    await turns(1);
  }

  /** One message with these handlers. */
  async sendToMany(...handlers: number[]): Promise<void> {
    this.#receive(handlers);
    await turns(1);
  }

  #receive(handlers: number[]): void {
    const raw = { data: Buffer.from(handlers), isBinary: true };
    const take = ({ data }: RawMessage) => {
      for (const handler of data) this.inbound.run(this.connection, () => this.#handle(handler));
    };
    if (this.inbound.mayTake(this.connection, 0)) take(raw);
    else this.inbound.wait(this.connection, raw, take);
  }

  #handle(handler: number): Promise<void> {
    this.started.push(handler);
    return new Promise(resolve => this.#ends.set(handler, resolve));
  }

  /** Ends these handlers, in this order. The consequences of each have happened when the next one ends. */
  async end(...handlers: number[]): Promise<void> {
    for (const handler of handlers) {
      this.#ends.get(handler)?.();
      this.#ends.delete(handler);
      // The end of a handler requests a turn of the event loop, which runs after the next one.
      await turns(2);
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve));
}

/** Running services, to be stopped after the test. */
const services: InboundService[] = [];

function serviceWith(limits: Partial<LimitOptions>): InboundService {
  const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
  const node = new NodeState(resolveOptions({ limits }), clock);
  const inbound = new InboundService(
    node,
    new HeartbeatEvents(),
    { closeIfBanned: () => undefined },
    new HeldAnswers(),
  );
  services.push(inbound);
  return inbound;
}

describe('InboundService, of handlers in flight', () => {
  let inbound: InboundService;
  let client: Client;

  beforeEach(() => {
    inbound = serviceWith({ maxInFlight: MAX });
    client = new Client(inbound);
  });

  afterEach(() => {
    for (const service of services.splice(0)) service.onApplicationShutdown();
  });

  it('starts as many as allowed at once', async () => {
    await client.send(1, 2, 3);
    expect([client.started, client.connection.inFlight, client.socket.done]).toEqual([[1, 2, 3], 3, []]);
  });

  it('queues the rest, and stops reading once', async () => {
    await client.send(1, 2, 3, 4, 5);
    expect([client.started, client.connection.inFlight, client.socket.done]).toEqual([[1, 2, 3], 3, ['hold back']]);
  });

  it('starts queued ones in order of arrival, one for each that ends', async () => {
    await client.send(1, 2, 3, 4, 5, 6);
    await client.end(2);
    expect([client.started, client.running]).toEqual([
      [1, 2, 3, 4],
      [1, 3, 4],
    ]);
    await client.end(4, 1);
    expect(client.started).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('starts all handlers of one message in order, before those of the next', async () => {
    await client.sendToMany(1, 2, 3, 4, 5);
    await client.sendToMany(6, 7);
    for (let handler = 1; handler <= 7; handler++) await client.end(handler);
    expect([client.started, client.connection.inFlight, client.socket.isHeld]).toEqual([
      [1, 2, 3, 4, 5, 6, 7],
      0,
      false,
    ]);
  });

  it('starts all handlers of a queued message before those of the next one', async () => {
    await client.send(1, 2, 3);
    await client.sendToMany(4, 5, 6);
    await client.send(7);
    await client.end(1);
    expect(client.started).toEqual([1, 2, 3, 4]);
    await client.end(2, 3, 4);
    expect(client.started).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('reads again when no message waits', async () => {
    await client.send(1, 2, 3, 4);
    expect(client.socket.isHeld).toBe(true);
    await client.end(1, 2);
    expect(client.socket.done).toEqual(['hold back', 'let go']);
    await client.send(5, 6);
    expect([client.started, client.socket.done]).toEqual([
      [1, 2, 3, 4, 5],
      ['hold back', 'let go', 'hold back'],
    ]);
  });

  it('continues with queued ones also without the check for incomplete messages', async () => {
    const unswept = new Client(serviceWith({ maxInFlight: 1, messageTimeoutMs: 0 }));
    await unswept.send(1, 2, 3);
    await unswept.end(1, 2, 3);
    expect([unswept.started, unswept.socket.isHeld]).toEqual([[1, 2, 3], false]);
  });

  it('starts no queued message after the shutdown, and sets no timer', async () => {
    await client.send(1, 2, 3, 4, 5);
    inbound.onApplicationShutdown();
    const armed = jest.spyOn(globalThis, 'setImmediate');
    await client.end(1, 2, 3);
    await turns(3);
    const byTest = 3 * 2 + 3;
    expect([client.started, client.connection.inFlight, armed.mock.calls.length]).toEqual([[1, 2, 3], 0, byTest]);
    armed.mockRestore();
  });

  it('never lets a client wait for another one', async () => {
    await client.send(1, 2, 3, 4);
    const other = new Client(inbound);
    await other.send(1);
    expect([other.started, other.socket.done]).toEqual([[1], []]);
  });

  it.each<[string, boolean, Closing]>([
    ['was destroyed by the server', true, { code: 4000, reason: 'heartbeat timeout', by: 'server' }],
    ['was kicked', true, { code: 4500, reason: 'kicked', by: 'operator' }],
    ['is being closed by the server', false, { code: 1001, reason: 'going away', by: 'server' }],
    ['is being kicked', false, { code: 4500, reason: 'kicked', by: 'operator' }],
  ])('starts no queued message once the connection %s', async (_what, ended, closing) => {
    await client.send(1, 2, 3, 4, 5);
    Object.assign(client.connection, { closing, ended });
    await client.end(1, 2, 3);
    expect([client.started, client.connection.inFlight]).toEqual([[1, 2, 3], 0]);
  });

  it.each<[string, { ended: boolean; closing: Closing }]>([
    ['that the client sent before it closed', { ended: true, closing: { code: 1000, reason: '', by: 'client' } }],
    ['that arrived before the network failed', { ended: true, closing: { code: 1006, reason: '', by: 'network' } }],
  ])('handles a message %s', async (_what, end) => {
    await client.send(1, 2, 3, 4, 5);
    Object.assign(client.connection, end);
    await client.end(1, 2, 3, 4, 5);
    expect([client.started, client.connection.inFlight]).toEqual([[1, 2, 3, 4, 5], 0]);
  });

  it('never runs more than allowed, starts all in order, and reads whenever none waits', async () => {
    const step = fc.record({ come: fc.nat(5), end: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 15 }), async (max, steps) => {
        const one = new Client(serviceWith({ maxInFlight: max }));
        let sent = 0;
        for (const { come, end } of steps) {
          // No bytes arrive from a socket that is not read.
          if (!one.socket.isHeld) await one.send(...Array.from({ length: come }, () => sent++));
          const { running } = one;
          await one.end(...(running.length === 0 ? [] : [running[end % running.length]!]));
          expect(one.running.length).toBe(one.connection.inFlight);
          expect(one.running.length).toBeLessThanOrEqual(max);
          expect(one.started).toEqual(Array.from(one.started, (_, index) => index));
          expect(one.started.length === sent || one.running.length === max).toBe(true);
          expect(one.socket.isHeld || one.started.length === sent).toBe(true);
        }
        while (one.running.length > 0) await one.end(...one.running);
        expect([one.started.length, one.socket.isHeld, one.connection.inFlight]).toEqual([sent, false, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
