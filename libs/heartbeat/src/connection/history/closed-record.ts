import type { Clock } from '../../base/clock.js';
import type { StallLog } from '../../node/stall-log.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import type { ClosedView, ConnectionView } from '../listing/connection-view.js';
import { connectionId } from '../connection-id.js';
import type { Closing } from '../connection.types.js';
import type { Connection } from '../connection.js';
import { verdictOf } from './close-verdict.js';
import { noteText } from './flight-note.js';
import { flightOf, type FlightRecord, MAX_STALLS, type PingCounts, pingsOf } from './flight-record.js';
import { type Facts, factsOf, shown } from '../listing/view.js';

/** What the view of an ended connection needs of its node. */
export interface HistoryContext {
  readonly id: string;
  readonly stalls: StallLog;
  readonly options: ResolvedOptions;
}

/**
 * The part of an ended connection that is kept: numbers, and texts that existed already. Views are created for each read and for the event,
 * since a drain ends thousands of connections in a second, and the garbage collector has to move each record.
 */
export class ClosedRecord implements PingCounts {
  readonly serial: number;
  /** The end of the connection. A reason of the application is bounded, since the history keeps it. */
  readonly closing: Closing;
  readonly facts: Facts;
  readonly #flight: FlightRecord | null;
  readonly answered: number;
  readonly answeredAt: number;
  readonly minRttMicros: number;
  readonly maxRttMicros: number;
  readonly meanRttMicros: number;
  /** The code in the close frame, where the clients of the transport understand other codes. */
  readonly #sentCode: number;
  readonly #closedAt: number;
  /** The wall time of the clock's zero at the close, so that a later step of the wall clock does not change the record. */
  readonly #epoch: number;

  constructor(connection: Connection, closing: Closing, clock: Clock) {
    const now = clock.now();
    const reason = noteText(closing.reason);
    this.serial = connection.serial;
    this.closing = reason === closing.reason ? closing : { ...closing, reason };
    this.facts = factsOf(connection, now);
    this.#flight = connection.flight;
    const { pulse } = connection;
    this.answered = pulse.answered;
    this.answeredAt = pulse.answeredAt;
    this.minRttMicros = pulse.minRttMicros;
    this.maxRttMicros = pulse.maxRttMicros;
    this.meanRttMicros = pulse.meanRttMicros;
    this.#sentCode = connection.channel.kind.sentCode(closing.code);
    this.#closedAt = Math.trunc(now);
    this.#epoch = clock.wallTime(0).getTime();
  }

  /** The last view of the connection, without its flight record: for the event of each close. */
  lastView(nodeId: string): ConnectionView {
    return shown(connectionId(nodeId, this.serial), nodeId, this.facts, this.#wallClock);
  }

  view({ id: nodeId, stalls, options }: HistoryContext): ClosedView {
    const clock = this.#wallClock;
    const { closing, facts } = this;
    const { code, reason, by } = closing;
    const [openedAt, closedAt] = [facts.openedAt, this.#closedAt];
    const flight = {
      openedAt,
      notes: this.#flight,
      pings: pingsOf(this, facts.rttMs),
      stalls: stalls.during(openedAt, closedAt, MAX_STALLS),
      closed: { at: closedAt, row: { kind: 'closed', ...closing } as const },
    };
    const ending = { ...flight, facts, closing, closedAt, sentCode: this.#sentCode };
    return Object.assign(this.lastView(nodeId), {
      closedAt: clock.wallTime(closedAt).toISOString(),
      durationMs: this.durationMs,
      code,
      reason,
      closedBy: by,
      verdict: verdictOf(ending, options, clock),
      flight: flightOf(flight, clock),
    });
  }

  get #wallClock(): Pick<Clock, 'wallTime'> {
    return { wallTime: moment => new Date(this.#epoch + moment) };
  }

  get durationMs(): number {
    return this.#closedAt - this.facts.openedAt;
  }

  /** Epoch milliseconds. */
  get closedAt(): number {
    return this.#epoch + this.#closedAt;
  }
}
