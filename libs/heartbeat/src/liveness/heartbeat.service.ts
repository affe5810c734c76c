import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { MissedNote } from '../connection/history/flight-note.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { NEVER, type Pulse } from '../connection/pulse.js';
import { probe } from '../connection/sending.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { nextInterval } from './adaptive-interval.js';
import { AttendedClock } from './attended-clock.js';
import { RecentStalls } from './recent-stalls.js';
import { MAX_LATE_MS, REST_MS, TICK_MS, TickTimer } from './tick-timer.js';
import { judge, nextCheck, pingMomentBefore, roundTrip, type Rules } from './verdict.js';
import { Wheel } from './wheel.js';

/** Maximum time that one slice of checks and pings holds the event loop before pending I/O is handled, in milliseconds: a few pings. */
const SLICE_MS = 0.05;
/** The same while the work of one tick is not done by the next: deadlines are more important than short waits. */
const BEHIND_SLICE_MS = 2;

const { code: DEAD_CODE, name: DEAD_REASON } = CloseCodes.heartbeatTimeout;

/**
 * Finds dead connections without ending live ones: one tick for all connections. A check compares the bytes read with those at the
 * last check; it pings a connection that was silent for the interval, and destroys one that left `missedPongs` pings unanswered.
 * Nothing is done when bytes arrive. Checks run only after the poll phase has run since the tick came due, so that bytes which the
 * kernel already held are read first.
 */
@Injectable()
export class HeartbeatService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #wheel = new Wheel<Readonly<Pulse<Connection>>>(TICK_MS);
  readonly #time: AttendedClock;
  readonly #timer: TickTimer;
  #slice: NodeJS.Immediate | null = null;
  #sliceMs = SLICE_MS;
  #tickedAt: number;
  readonly #stalls = new RecentStalls();
  /** The last change of the interval, in attended time. */
  #steppedAt = 0;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {
    this.#tickedAt = node.clock.now();
    this.#time = new AttendedClock(this.#tickedAt, TICK_MS + MAX_LATE_MS);
    this.#timer = new TickTimer(node.seconds, () => this.#onTimer());
  }

  /** The interval in force, in milliseconds. */
  get intervalMs(): number {
    return this.node.intervalMs;
  }

  /** How long ago the last tick was, in monotonic milliseconds; a tick is due every 50, and every 1,000 without a connection. */
  get sinceTickMs(): number {
    return this.node.clock.now() - this.#tickedAt;
  }

  onApplicationBootstrap(): void {
    this.#tickedAt = this.node.clock.now();
    this.#timer.start();
  }

  onApplicationShutdown(): void {
    this.#timer.stop();
    if (this.#slice !== null) clearImmediate(this.#slice);
    this.#slice = null;
  }

  /** To be called before a connection opens: the first one after a rest starts with the current attended time and the usual ticks. @internal */
  wake(): void {
    if (this.#timer.periodMs !== TICK_MS) this.tick();
    this.#timer.setPeriod(TICK_MS);
  }

  #onTimer(): void {
    this.tick();
    this.#timer.setPeriod(this.connections.count === 0 ? REST_MS : TICK_MS);
    this.#sliceMs = this.#slice === null ? SLICE_MS : BEHIND_SLICE_MS;
    if (this.#wheel.isDue) this.#slice ??= setImmediate(() => this.#workOn());
  }

  /** Watches a new connection. Its first ping is at its own moment of the interval, so that pings are spread. @internal */
  watch(connection: Connection): void {
    const { pulse } = connection;
    pulse.checked(this.node.attendedMs);
    pulse.markAlive(pingMomentBefore(pulse.phase, this.node.attendedMs, this.node.intervalMs));
    this.#schedule(pulse);
  }

  /** Handles a pong. Returns false if no ping was unanswered. @internal */
  ponged(connection: Connection): boolean {
    const { pulse } = connection;
    const now = this.node.clock.now();
    if (pulse.pingedAt === NEVER) {
      pulse.bytesCame(this.node.attendedMs, now);
      return false;
    }
    this.#noteAnswer(connection);
    pulse.ponged(now);
    // After a missed ping it is unknown which one this pong belongs to.
    const rttMs = pulse.missed === 0 ? roundTrip(pulse, now, this.node.attendedMs) : null;
    if (rttMs !== null) {
      pulse.measured(rttMs);
      this.node.totals.recordRoundTrip(rttMs);
    }
    pulse.compared(connection.channel.bytesRead);
    const activeAt = skipsPings(connection, this.node) ? pulse.lastActivityAt : NEVER;
    pulse.markAlive(Math.max(activeAt, pingMomentBefore(pulse.phase, pulse.pingedAt, this.node.intervalMs)));
    this.node.totals.pongsReceived++;
    // Scheduled at once, while the connection is in the CPU cache, and never earlier than the check that this one replaces.
    this.#schedule(pulse, pulse.checkDueAt);
    if (this.events.isWanted('pong')) this.events.announce({ type: 'pong', id: connection.id, rttMs });
    return true;
  }

  /** Advances to the monotonic time `now`. The next `work` finds the checks that are due by then. @internal */
  tick(now = this.node.clock.now()): void {
    const { node } = this;
    const elapsedMs = now - this.#tickedAt;
    node.totals.recordLateness(Math.max(0, elapsedMs - this.#timer.periodMs));
    this.#tickedAt = now;
    const before = node.attendedMs;
    node.attendedMs = Math.trunc(this.#time.advance(now, this.#timer.periodMs + MAX_LATE_MS));
    const lostMs = elapsedMs - (node.attendedMs - before);
    node.recentStallMs = this.#stalls.note(lostMs > TICK_MS ? lostMs : 0, node.attendedMs);
    node.stalls.add(lostMs, elapsedMs, now);
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

  /** Runs due checks for one slice of time. Returns whether some are left. @internal */
  work(): boolean {
    const { clock } = this.node;
    const end = clock.now() + this.#sliceMs;
    do {
      const pulse = this.#wheel.take();
      if (pulse === undefined) return false;
      this.#check(pulse.owner);
    } while (clock.now() < end);
    return true;
  }

  #workOn(): void {
    this.#slice = this.work() ? setImmediate(() => this.#workOn()) : null;
  }

  #check(connection: Connection): void {
    if (connection.state === 'closing') return;
    const { pulse } = connection;
    const now = this.node.attendedMs;
    this.#compareBytes(connection, now);
    pulse.checked(now);
    switch (judge(pulse, now, this.#rules)) {
      case 'ping':
        this.#ping(connection, now);
        break;
      case 'missed':
        connection.note(this.#missed(connection));
        this.#ping(connection, now);
        break;
      case 'dead':
        return connection.destroy({ code: DEAD_CODE, reason: DEAD_REASON, by: 'server' }, this.#missed(connection));
      case 'wait':
    }
    this.#schedule(pulse);
  }

  /** Compares the bytes read with those at the last check. */
  #compareBytes(connection: Connection, now: number): void {
    const { pulse, channel } = connection;
    const { bytesRead } = channel;
    if (bytesRead === pulse.bytesSeen) return channel.isHalted ? this.#probeUnread(connection, now) : undefined;
    pulse.compared(bytesRead);
    this.#noteAnswer(connection);
    // The code that counted what came has recorded the time as well.
    if (pulse.lastActivityAt < pulse.checkedAt) pulse.seen(this.node.clock.now());
    // The client is active: `ws` pauses a socket while it inflates.
    if (channel.isHalted) return pulse.markAlive(now);
    if (!skipsPings(connection, this.node)) {
      if (pulse.pingedAt !== NEVER) pulse.markAlive(pulse.pingedAt);
      return;
    }
    // A ping moment between the checks was skipped.
    if (pingMomentBefore(pulse.phase, now, this.node.intervalMs) > pulse.checkedAt) this.node.totals.pingsSkipped++;
    // Counted messages have their time. Other bytes arrived after the last check, and after the last time that all were accounted for.
    const { lastActivityAt, checkedAt } = pulse;
    pulse.markAlive(lastActivityAt >= checkedAt ? lastActivityAt : Math.max(checkedAt, this.node.accountedUntil));
  }

  /**
   * A connection that is not read shows no life: it is not judged until it is read again. But that its line has ended shows only
   * when something is written to it. A pong is written, not a ping: it has no answer (RFC 6455, section 5.5.3) that piles up unread.
   */
  #probeUnread(connection: Connection, now: number): void {
    probe(connection);
    connection.pulse.markAlive(now);
  }

  #ping(connection: Connection, now: number): void {
    connection.pulse.pinged(now, this.node.clock.now());
    connection.channel.ping();
    this.node.totals.pingsSent++;
    if (this.events.isWanted('ping')) this.events.announce({ type: 'ping', id: connection.id });
  }

  /** Counts a ping that stayed unanswered. Returns its entry in the flight record. */
  #missed(connection: Connection): MissedNote {
    connection.pulse.pongMissed();
    const { missed } = connection.pulse;
    this.node.totals.pongsMissed++;
    if (this.events.isWanted('missed')) this.events.announce({ type: 'missed', id: connection.id, missed });
    return { kind: 'missed', missed, timeoutMs: this.node.options.heartbeat.pongTimeoutMs };
  }

  /** Bytes arrived after unanswered pings. */
  #noteAnswer(connection: Connection): void {
    const { missed } = connection.pulse;
    if (missed > 0) connection.note({ kind: 'answered', missed });
  }

  #schedule(pulse: Readonly<Pulse<Connection>>, earliest = 0): void {
    pulse.dueAt(Math.max(earliest, nextCheck(pulse, this.#rules)));
    this.#wheel.schedule(pulse);
  }

  get #rules(): Rules {
    const { pongTimeoutMs, missedPongs } = this.node.options.heartbeat;
    return { intervalMs: this.node.intervalMs, pongTimeoutMs, missedPongs };
  }
}

/** Whether received bytes replace the ping of their interval. */
function skipsPings({ channel }: Connection, { options }: NodeState): boolean {
  return options.heartbeat.skipWhenActive && channel.kind.isAlwaysPinged !== true;
}
