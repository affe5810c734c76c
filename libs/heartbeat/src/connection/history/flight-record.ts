import type { Clock } from '../../base/clock.js';
import type { FlightEntry } from '../listing/connection-view.js';

/** How many entries are kept for a connection: enough for its last minutes, little enough for a thousand closed ones. */
const CAPACITY = 32;

/** The last notable moments of one connection, oldest first. Made when the first one happens, so a quiet connection has none. */
export class FlightRecord {
  readonly #times: number[] = [];
  readonly #texts: string[] = [];

  note(at: number, what: string): void {
    if (this.#times.length === CAPACITY) {
      this.#times.shift();
      this.#texts.shift();
    }
    this.#times.push(at);
    this.#texts.push(what);
  }

  copy(): FlightRecord {
    const copy = new FlightRecord();
    copy.#times.push(...this.#times);
    copy.#texts.push(...this.#texts);
    return copy;
  }

  entries(clock: Pick<Clock, 'wallTime'>): FlightEntry[] {
    return this.#times.map((at, index) => ({ at: clock.wallTime(at).toISOString(), what: this.#texts[index] ?? '' }));
  }
}
