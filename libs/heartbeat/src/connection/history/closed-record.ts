import type { Clock } from '../../base/clock.js';
import type { ClosedView } from '../listing/connection-view.js';
import type { EventPayload } from '../heartbeat.events.js';
import { connectionId } from '../connection-id.js';
import type { Closing } from '../connection.types.js';
import type { Connection } from '../connection.js';
import { noteText } from './flight-note.js';
import { flightOf, type FlightRecord } from './flight-record.js';
import { type Facts, factsOf, shown } from '../listing/view.js';

/**
 * The part of an ended connection that is kept: numbers, and texts that existed already. Views are created for each read and for the event,
 * since a drain ends thousands of connections in a second, and the garbage collector has to move each record.
 */
export class ClosedRecord {
  readonly serial: number;
  /** The end of the connection. A reason of the application is bounded, since the history keeps it. */
  readonly closing: Closing;
  readonly facts: Facts;
  readonly #flight: FlightRecord | null;
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
    this.#closedAt = Math.trunc(now);
    this.#epoch = clock.wallTime(0).getTime();
  }

  /** The event of the close. */
  event(nodeId: string): EventPayload {
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
