import type { Clock } from '../../base/clock.js';
import type { ClosedView } from '../listing/connection-view.js';
import type { HeartbeatEventOf } from '../heartbeat.events.js';
import { connectionId } from '../connection-id.js';
import type { Closing } from '../connection.types.js';
import type { Connection } from '../connection.js';
import type { FlightRecord } from './flight-record.js';
import { type Facts, factsOf, flightOf, shown } from '../listing/view.js';

/**
 * A connection that has ended, as it is remembered: numbers, and texts that were there anyway. Texts are made of them for the event
 * and for whoever looks, and not kept here: a drain ends thousands in a second, and what is kept of each the garbage
 * collector has to move.
 */
export class ClosedRecord {
  readonly serial: number;
  readonly facts: Facts;
  readonly #flight: FlightRecord | null;
  readonly #closedAt: number;
  /** The wall time of the clock's zero at the closing: a later step of the wall clock moves nothing that is over. */
  readonly #epoch: number;

  constructor(
    connection: Connection,
    readonly closing: Closing,
    clock: Clock,
  ) {
    const now = clock.now();
    this.serial = connection.serial;
    this.facts = factsOf(connection, now);
    this.#flight = connection.flight?.copy() ?? null;
    this.#closedAt = Math.trunc(now);
    this.#epoch = clock.wallTime(0).getTime();
  }

  /** What is announced. */
  event(nodeId: string): HeartbeatEventOf<'closed'> {
    const { code, reason, by } = this.closing;
    return { type: 'closed', connection: this.view(nodeId), code, reason, by, durationMs: this.durationMs };
  }

  view(nodeId: string): ClosedView {
    const clock = { wallTime: (moment: number) => new Date(this.#epoch + moment) };
    const { code, reason, by } = this.closing;
    return Object.assign(shown(connectionId(nodeId, this.serial), nodeId, this.facts, clock), {
      closedAt: clock.wallTime(this.#closedAt).toISOString(),
      durationMs: this.durationMs,
      code,
      reason,
      closedBy: by,
      flight: flightOf(this.facts.openedAt, this.#flight, clock),
    });
  }

  get durationMs(): number {
    return this.#closedAt - this.facts.openedAt;
  }
}
