import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { NodeState } from '../connection/node-state.js';
import { microsOf, msBetween, NEVER, type Pulse } from '../connection/pulse.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { nextInterval } from './adaptive-interval.js';
import { AttendedClock } from './attended-clock.js';
import { RecentStalls } from './recent-stalls.js';
import { judge, nextLook, pingMomentBefore, type Rules } from './verdict.js';
import { Wheel } from './wheel.js';

/** The step of the one tick. Deadlines are kept to it, so three of them stay well within the second that the contract allows. */
const TICK_MS = 50;
/** A tick that comes later than this is a stall, and adds only this much to the attended time. */
const MAX_STEP_MS = 2 * TICK_MS;
/** A round trip with more than this beside attended time is not recorded: that may lag by two ticks, one of them late. */
const MAX_UNATTENDED_MS = 4 * TICK_MS;
/** How long one slice of looks and pings may hold the event loop before waiting I/O has its turn, in milliseconds: a few pings. */
const SLICE_MS = 0.05;
/** The same while what one tick left is not done by the next: deadlines come before short waits. */
const BEHIND_SLICE_MS = 2;

/**
 * Finds the dead, and hurts no one who lives: one tick for all connections. A look compares the bytes read with those at the
 * last look; it pings who was silent for the interval and destroys who left `missedPongs` pings unanswered. Nothing is done
 * when bytes arrive. A look is taken only after the poll phase has run since the tick came due, so that what the kernel
 * already held was read first.
 */
@Injectable()
export class HeartbeatService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #wheel = new Wheel<Pulse<Connection>>(TICK_MS);
  readonly #time: AttendedClock;
  #timer: NodeJS.Timeout | null = null;
  #slice: NodeJS.Immediate | null = null;
  #sliceMs = SLICE_MS;
  #tickedAt: number;
  readonly #stalls = new RecentStalls();
  /** When the interval was changed last, in attended time. */
  #steppedAt = 0;

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
  ) {
    this.#tickedAt = node.clock.now();
    this.#time = new AttendedClock(this.#tickedAt, MAX_STEP_MS);
  }

  /** The interval in force, in milliseconds. */
  get intervalMs(): number {
    return this.node.intervalMs;
  }

  /** How long ago the last tick was, in monotonic milliseconds; a tick is due every 50. */
  get sinceTickMs(): number {
    return this.node.clock.now() - this.#tickedAt;
  }

  onApplicationBootstrap(): void {
    this.#tickedAt = this.node.clock.now();
    this.#timer = setInterval(() => {
      this.tick();
      this.#sliceMs = this.#slice === null ? SLICE_MS : BEHIND_SLICE_MS;
      this.#slice ??= setImmediate(() => this.#workOn());
    }, TICK_MS);
    // What it watches keeps the process; without a connection there is nothing to watch.
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#slice !== null) clearImmediate(this.#slice);
    this.#timer = this.#slice = null;
  }

  /** Takes a new connection under watch. Its first ping comes at its own random moment of the interval, so that crowds do not bunch. */
  watch(connection: Connection): void {
    const { pulse } = connection;
    pulse.lookedAt = this.node.attendedMs;
    pulse.hear(pingMomentBefore(pulse.phase, this.node.attendedMs, this.node.intervalMs));
    this.#schedule(pulse);
  }

  /** A pong has come; false if nobody had asked for it. */
  ponged(connection: Connection): boolean {
    const { pulse } = connection;
    const now = this.node.clock.now();
    if (pulse.pingedAt === NEVER) {
      connection.countBytes(now);
      return false;
    }
    connection.lastSeenAt = Math.trunc(now);
    // After a missed ping nobody can tell which one this answers.
    const rttMs = pulse.missed === 0 ? this.#roundTrip(pulse, now) : null;
    if (rttMs !== null) {
      connection.rttMs = rttMs;
      this.node.totals.rtt.record(rttMs / 1000);
    }
    pulse.bytesSeen = connection.network.bytesRead;
    const { lookDueAt } = pulse;
    pulse.hear(Math.max(pulse.lastActivityAt, pingMomentBefore(pulse.phase, pulse.pingedAt, this.node.intervalMs)));
    this.node.totals.pongsReceived++;
    // At once, while it is in the cache, and never earlier than the look that this one spares.
    this.#schedule(pulse, lookDueAt);
    if (this.events.isWanted('pong')) this.events.announce({ type: 'pong', id: connection.id, rttMs });
    return true;
  }

  /** Null where the clock has jumped, or the loop has stood still, while the ping was in flight: that is no time of the network. */
  #roundTrip({ pingedAt, pingedAtMicros }: Pulse<Connection>, now: number): number | null {
    const ms = msBetween(pingedAtMicros, microsOf(now));
    return ms - (this.node.attendedMs - pingedAt) > MAX_UNATTENDED_MS ? null : ms;
  }

  /** Goes on to the monotonic time `now`: what is due by then is found by the next `work`. */
  tick(now = this.node.clock.now()): void {
    const { node } = this;
    const elapsedMs = now - this.#tickedAt;
    node.totals.lateness.record(Math.max(0, elapsedMs - TICK_MS) / 1000);
    this.#tickedAt = now;
    const before = node.attendedMs;
    node.attendedMs = Math.trunc(this.#time.advance(now));
    const lostMs = elapsedMs - (node.attendedMs - before);
    node.recentStallMs = this.#stalls.note(lostMs > TICK_MS ? lostMs : 0, node.attendedMs);
    this.#wheel.advance(node.attendedMs);
    if (node.options.heartbeat.adaptive) this.#adapt();
  }

  #adapt(): void {
    const { node } = this;
    const now = node.attendedMs;
    const intervalMs = nextInterval(node.intervalMs, node.load.ratio, now - this.#steppedAt, node.options.heartbeat);
    if (intervalMs === node.intervalMs) return;
    node.intervalMs = intervalMs;
    this.#steppedAt = now;
  }

  /** Looks at what is due, for one slice of time; answers whether something is left. */
  work(): boolean {
    const { clock } = this.node;
    const end = clock.now() + this.#sliceMs;
    do {
      const pulse = this.#wheel.take();
      if (pulse === undefined) return false;
      this.#look(pulse.owner);
    } while (clock.now() < end);
    return true;
  }

  #workOn(): void {
    this.#slice = this.work() ? setImmediate(() => this.#workOn()) : null;
  }

  #look(connection: Connection): void {
    if (connection.state === 'closing') return;
    const { pulse } = connection;
    const now = this.node.attendedMs;
    this.#notice(connection, now);
    pulse.lookedAt = now;
    switch (judge(pulse, now, this.#rules)) {
      case 'ping':
        this.#ping(connection, now);
        break;
      case 'missed':
        pulse.missed++;
        this.#missed(connection);
        this.#ping(connection, now);
        break;
      case 'dead':
        pulse.missed++;
        this.#missed(connection);
        return connection.destroy({
          code: CloseCodes.heartbeatTimeout.code,
          reason: CloseCodes.heartbeatTimeout.name,
          by: 'server',
        });
      case 'wait':
    }
    this.#schedule(pulse);
  }

  /** Compares what was read with what was read at the last look. */
  #notice(connection: Connection, now: number): void {
    const { pulse } = connection;
    const { bytesRead } = connection.network;
    const isUnread = bytesRead === pulse.bytesSeen;
    if (connection.paused && isUnread) return this.#callUnread(connection, now);
    if (isUnread) return;
    pulse.bytesSeen = bytesRead;
    // Who has told what came has written down the time as well.
    if (pulse.lastActivityAt < pulse.lookedAt) connection.lastSeenAt = Math.trunc(this.node.clock.now());
    // Busy: `ws` pauses a socket while it inflates.
    if (connection.paused) return pulse.hear(now);
    if (!this.node.options.heartbeat.skipWhenActive) {
      if (pulse.pingedAt !== NEVER) pulse.hear(pulse.pingedAt);
      return;
    }
    // A ping moment has passed between the looks, and it was spared.
    if (pingMomentBefore(pulse.phase, now, this.node.intervalMs) > pulse.lookedAt) this.node.totals.pingsSkipped++;
    // What told its time has it; else the bytes came after the last look, and after the last time when all were accounted for.
    const { lastActivityAt, lookedAt } = pulse;
    pulse.hear(lastActivityAt >= lookedAt ? lastActivityAt : Math.max(lookedAt, this.node.accountedUntil));
  }

  /**
   * Whom we do not read cannot be heard: it is not judged until it is read again. But of a line that has ended we only learn
   * when we write to it. A pong is written, not a ping: nobody answers it (RFC 6455, section 5.5.3), so no answers pile up unread.
   */
  #callUnread({ pulse, socket }: Connection, now: number): void {
    socket.pong();
    pulse.hear(now);
  }

  #ping(connection: Connection, now: number): void {
    connection.pulse.pingedAt = now;
    connection.pulse.pingedAtMicros = microsOf(this.node.clock.now());
    connection.socket.ping();
    this.node.totals.pingsSent++;
    if (this.events.isWanted('ping')) this.events.announce({ type: 'ping', id: connection.id });
  }

  #missed(connection: Connection): void {
    const { missed } = connection.pulse;
    this.node.totals.pongsMissed++;
    connection.note({ kind: 'missed', missed, timeoutMs: this.node.options.heartbeat.pongTimeoutMs });
    if (this.events.isWanted('missed')) this.events.announce({ type: 'missed', id: connection.id, missed });
  }

  #schedule(pulse: Pulse<Connection>, earliest = 0): void {
    pulse.lookDueAt = Math.max(earliest, nextLook(pulse, this.#rules));
    this.#wheel.schedule(pulse);
  }

  get #rules(): Rules {
    const { pongTimeoutMs, missedPongs } = this.node.options.heartbeat;
    return { intervalMs: this.node.intervalMs, pongTimeoutMs, missedPongs };
  }
}
