import type { Connection } from '../../../libs/heartbeat/src/connection/connection.js';
import type { ConnectionService } from '../../../libs/heartbeat/src/connection/connection.service.js';
import { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';
import { type EventPayload, HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../../../libs/heartbeat/src/options/heartbeat.options.js';
import { HeartbeatService } from '../../../libs/heartbeat/src/liveness/heartbeat.service.js';
import { resolveOptions } from '../../../libs/heartbeat/src/options/resolve-options.js';
import { transportOf } from './fake-transport.js';
import { wireNode } from './wire-node.js';
import { unstamped } from '../assert/unstamped.js';

/** A client, and the socket that we have of it. */
export class Peer {
  isPaused = false;
  readonly bufferedAmount = 0;
  rttMs = 20;
  answers = true;
  destroyedAt: number | null = null;
  readonly pings: number[] = [];
  readonly called: number[] = [];
  /** Whether bytes of a message in the making came that no sweep has seen. */
  isUnswept = false;
  readonly network = { bytesRead: 0, bytesWritten: 0, isPaused: () => false };
  readonly connection: Connection;

  constructor(private readonly world: World) {
    const transport = transportOf(this, this.network);
    const opening = { transport, path: '/ws', ip: '10.0.0.1', userAgent: null, identity: null };
    this.connection = world.connections.open(opening);
    world.peers.push(this);
    world.heartbeat.watch(this.connection);
  }

  ping(): void {
    this.pings.push(this.world.node.attendedMs);
    if (this.answers) this.world.later(this, this.rttMs, () => this.answer());
  }

  /** The server's socket writes an unsolicited pong. */
  pong(): void {
    this.called.push(this.world.node.attendedMs);
  }

  /** It answers a ping. */
  answer(): void {
    this.network.bytesRead += 6;
    this.world.heartbeat.ponged(this.connection);
  }

  /** Sends a byte of a message that has not ended. */
  byte(): void {
    this.network.bytesRead++;
    this.isUnswept = true;
  }

  message(): void {
    this.isUnswept = false;
    this.network.bytesRead += 10;
    this.connection.countReceived(this.world.time);
  }

  close(): void {}

  terminate(): void {
    this.destroyedAt = this.world.node.attendedMs;
    this.world.connections.closed(this.connection, 1006, '');
  }
}

/** One interval that nothing moves. */
function fixed({ heartbeat = {}, ...rest }: HeartbeatOptions): HeartbeatOptions {
  const { intervalMs = 25_000 } = heartbeat;
  return {
    ...rest,
    heartbeat: { adaptive: false, minIntervalMs: intervalMs, maxIntervalMs: intervalMs, ...heartbeat },
  };
}

/**
 * A heartbeat service with its clock in hand, and clients without a network. Messages arrive between the tick that is due
 * and the checks, as in the event loop.
 */
export class World {
  /** The machine's clock, and the real time. */
  time = 5000;
  #real = 0;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly heartbeat: HeartbeatService;
  readonly events: EventPayload[] = [];
  readonly peers: Peer[] = [];
  #coming: { peer: Peer; at: number; arrive: () => void }[] = [];

  constructor(options: HeartbeatOptions = {}) {
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    const events = new HeartbeatEvents();
    events.stream.subscribe(event => this.events.push(unstamped(event)));
    this.node = new NodeState(resolveOptions(fixed(options)), clock);
    this.connections = wireNode(this.node, events).connections;
    this.heartbeat = new HeartbeatService(this.node, this.connections, events);
  }

  later(peer: Peer, delayMs: number, arrive: () => void): void {
    this.#coming.push({ peer, at: this.#real + delayMs, arrive });
  }

  /** One tick, `stepMs` after the last. */
  step(stepMs = 50, jumpMs = 0): void {
    this.#real += stepMs;
    this.time += stepMs + jumpMs;
    this.heartbeat.tick(this.time);
    const coming = this.#coming;
    this.#coming = [];
    for (const each of coming) {
      if (each.at <= this.#real && !each.peer.isPaused) each.arrive();
      else this.#coming.push(each);
    }
    while (this.heartbeat.work());
    if (this.node.attendedMs - this.node.accountedUntil >= 1000) this.#sweep();
  }

  /** Goes on for so long, in ticks as they are given, over and over. */
  pass(ms: number, steps: readonly number[] = [50]): void {
    for (let passed = 0, tick = 0; passed < ms; tick++) {
      const step = steps[tick % steps.length]!;
      passed += step;
      this.step(step);
    }
  }

  /** Until this peer is pinged once more. */
  untilPinged(peer: Peer): void {
    const before = peer.pings.length;
    this.#until(() => peer.pings.length > before);
  }

  untilDestroyed(peer: Peer): number {
    this.#until(() => peer.destroyedAt !== null);
    return peer.destroyedAt!;
  }

  #until(isSo: () => boolean): void {
    for (const giveUpAt = this.#real + 3_600_000; !isSo(); this.step()) {
      if (this.#real > giveUpAt) throw new Error('the condition was not met within an hour');
    }
  }

  /** Messages in the making are looked for once a second, as flow does. */
  #sweep(): void {
    for (const peer of this.peers.filter(({ isUnswept }) => isUnswept)) {
      const { bytesSeen, checkedAt } = peer.connection.pulse;
      if (peer.network.bytesRead === bytesSeen) continue;
      peer.connection.pulse.bytesCame(Math.max(this.node.accountedUntil, checkedAt), this.time);
    }
    for (const peer of this.peers) peer.isUnswept = false;
    this.node.accountedUntil = this.node.attendedMs;
  }
}
