import { jest } from '@jest/globals';
import type { Connection } from '../../../libs/heartbeat/src/connection/connection.js';
import type { ConnectionService } from '../../../libs/heartbeat/src/connection/connection.service.js';
import { type EventPayload, HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';
import { DrainRun } from '../../../libs/heartbeat/src/drain/drain-run.js';
import type { DrainResult, DrainSettings } from '../../../libs/heartbeat/src/drain/drain.types.js';
import { DrainService } from '../../../libs/heartbeat/src/drain/drain.service.js';
import type { InboundService } from '../../../libs/heartbeat/src/flow/inbound.service.js';
import type { HeartbeatOptions } from '../../../libs/heartbeat/src/options/heartbeat.options.js';
import { resolveOptions } from '../../../libs/heartbeat/src/options/resolve-options.js';
import { wireNode } from './wire-node.js';
import { unstamped } from '../assert/unstamped.js';
import { transportOf } from './fake-transport.js';

/** One turn of the event loop. */
export const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** A client that completes the closing handshake at once, or never. */
export class DrainClient {
  readonly connection: Connection;
  closedAt: number | null = null;
  code = 0;
  reason = '';
  terminated = false;
  /** Bytes that wait for it in this process. */
  bufferedAmount = 0;
  bytesTaken = 0;

  constructor(
    private readonly world: DrainWorld,
    private readonly answers: boolean,
  ) {
    const network = bytesOf(this);
    this.connection = world.connections.open({
      transport: transportOf(this, network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
  }

  close(code: number, reason: string): void {
    this.code = code;
    this.closedAt = this.world.time;
    this.reason = reason;
    if (this.answers) this.world.connections.closed(this.connection, 1001, '');
  }

  terminate(): void {
    this.terminated = true;
    this.world.connections.closed(this.connection, 1006, '');
  }
}

/** The network of a client, read at each use. */
function bytesOf(client: DrainClient) {
  return {
    get bytesWritten() {
      return client.bytesTaken;
    },
  };
}

/** A node that drains by the test's clock; with Jest's fake timers. */
export class DrainWorld {
  time = 0;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly drain: DrainService;
  readonly inbound: InboundService;
  readonly stream = new HeartbeatEvents();
  readonly events: EventPayload[] = [];
  result: DrainResult | undefined;

  constructor(given: HeartbeatOptions['drain'] = {}, graceMs: number | null = null) {
    const drain = { spreadMs: 5000, ...given };
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ drain, limits: { maxConnections: 1_000_000 } }), clock);
    const { connections, inbound } = wireNode(this.node, this.stream);
    this.connections = connections;
    this.inbound = inbound;
    this.drain = new DrainService(this.node, connections, this.stream, inbound, { ms: graceMs });
    this.stream.stream.subscribe(event => this.events.push(unstamped(event)));
  }

  open(count: number, answers = true): DrainClient[] {
    return Array.from({ length: count }, () => new DrainClient(this, answers));
  }

  /** Begins a drain, and keeps its result. */
  start(): void {
    void this.drain.start('a deploy').then(result => (this.result = result));
  }

  /** Begins a drain with settings of its own. */
  run(settings: DrainSettings): DrainRun {
    const { node, connections, inbound, stream: events } = this;
    const run = new DrainRun({ node, connections, inbound, events }, settings);
    run.begin('by hand');
    return run;
  }

  /** Advances the time in steps of 10 ms, with a turn of the event loop after each. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.time += 10;
      jest.advanceTimersByTime(10);
      await turn();
    }
    await turn();
  }

  of(type: EventPayload['type']): EventPayload[] {
    return this.events.filter(event => event.type === type);
  }
}
