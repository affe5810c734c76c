import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import { NodeState } from '../node/node-state.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { resolveOptions } from '../options/resolve-options.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import type { InboundService } from './inbound.service.js';
import { MESSAGE_OVERHEAD_BYTES } from './message-queue.js';

const MAX = 4096;
const turn = () => new Promise(resolve => setImmediate(resolve));

/** A client of which a handler of each message ends at once, or never. */
class Client {
  readonly begun: number[] = [];
  readonly done: string[] = [];
  readonly connection: Connection;
  #sent = 0;

  constructor(
    private readonly inbound: InboundService,
    connections: ReturnType<typeof wireNode>['connections'],
  ) {
    const transport = transportOf({
      holdBack: () => this.done.push('hold back'),
      letGo: () => this.done.push('let go'),
      close: code => this.done.push(`close ${code}`),
    });
    this.connection = connections.open({ transport, path: '/ws', ip: '10.0.0.1', userAgent: null, identity: null });
  }

  /** A message of so many bytes, its overhead included. */
  send(bytes = 100, handle = () => Promise.resolve()): void {
    const message = { data: Buffer.alloc(bytes - MESSAGE_OVERHEAD_BYTES, ++this.#sent), isBinary: true };
    const take = ({ data }: { data: Buffer }) => {
      this.begun.push(data[0]!);
      this.inbound.run(this.connection, handle);
    };
    if (this.inbound.mayTake(this.connection, 0)) take(message);
    else this.inbound.wait(this.connection, message, take);
  }
}

describe('InboundService, of a connection that is suspended', () => {
  let world: ReturnType<typeof wireNode>;
  let client: Client;

  beforeEach(() => {
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    const options = { limits: { maxMessageBytes: 100, maxInFlight: 3 }, backpressure: { maxBufferedBytes: MAX } };
    world = wireNode(new NodeState(resolveOptions(options), clock));
    client = new Client(world.inbound, world.connections);
  });
  afterEach(() => world.inbound.onApplicationShutdown());

  it('lets each message wait, reads on, and begins them in their order after the end', async () => {
    world.inbound.suspend(client.connection);
    for (let sent = 0; sent < 5; sent++) {
      client.send();
      await turn();
    }
    expect([client.begun, client.done, world.inbound.isSuspended(client.connection)]).toEqual([[], [], true]);
    world.inbound.resume(client.connection);
    client.send();
    await turn();
    await turn();
    expect([client.begun, world.inbound.isSuspended(client.connection)]).toEqual([[1, 2, 3, 4, 5, 6], false]);
    client.send();
    expect(client.begun).toHaveLength(7);
  });

  it('is not read above a quarter of what may wait, and is again when all has begun', async () => {
    world.inbound.suspend(client.connection);
    for (let sent = 0; sent < 10; sent++) client.send();
    expect(client.done).toEqual([]);
    client.send();
    expect(client.done).toEqual(['hold back']);
    // The rest of the read.
    for (let sent = 0; sent < 60; sent++) client.send();
    expect(client.done).toEqual(['hold back']);
    world.inbound.resume(client.connection);
    for (let turns = 0; turns < 10; turns++) await turn();
    expect([client.begun.length, client.done]).toEqual([71, ['hold back', 'let go']]);
  });

  it('is closed above twice of what may wait', () => {
    world.inbound.suspend(client.connection);
    for (let sent = 0; sent < 81; sent++) client.send();
    expect(client.done).toEqual(['hold back']);
    client.send();
    expect(client.done).toContain('close 4004');
    expect(world.inbound.isSuspended(client.connection)).toBe(false);
  });

  it('is read where it was held for handlers in flight, and begins no message when they end', async () => {
    const ends: (() => void)[] = [];
    for (let sent = 0; sent < 5; sent++) client.send(100, () => new Promise(resolve => ends.push(resolve)));
    await turn();
    expect([client.begun, client.done]).toEqual([[1, 2, 3], ['hold back']]);
    world.inbound.suspend(client.connection);
    expect(client.done).toEqual(['hold back', 'let go']);
    for (const end of ends) end();
    await turn();
    await turn();
    expect([client.begun, world.inbound.hasBegun(client.connection)]).toEqual([[1, 2, 3], false]);
    world.inbound.resume(client.connection);
    await turn();
    await turn();
    expect(client.begun).toEqual([1, 2, 3, 4, 5]);
  });

  it('runs the further handlers of a message that has begun', async () => {
    const ran: number[] = [];
    const { connection } = client;
    for (const handler of [1, 2, 3]) world.inbound.run(connection, async () => void ran.push(handler));
    expect([ran, world.inbound.hasBegun(connection)]).toEqual([[1], true]);
    world.inbound.suspend(connection);
    await turn();
    await turn();
    expect([ran, world.inbound.hasBegun(connection)]).toEqual([[1, 2, 3], false]);
    client.send();
    expect(client.begun).toEqual([]);
  });

  it('drops what waits when the server closes it', async () => {
    world.inbound.suspend(client.connection);
    client.send();
    client.connection.close(1000);
    await turn();
    world.inbound.resume(client.connection);
    await turn();
    expect([client.begun, client.done]).toEqual([[], ['close 1000']]);
  });

  it('changes nothing for a connection that was not suspended, or for the next one with its queue', async () => {
    world.inbound.resume(client.connection);
    client.send();
    world.inbound.suspend(client.connection);
    world.inbound.resume(client.connection);
    await turn();
    const other = new Client(world.inbound, world.connections);
    other.send();
    other.send();
    await turn();
    expect([client.begun, other.begun]).toEqual([[1], [1, 2]]);
  });
});
