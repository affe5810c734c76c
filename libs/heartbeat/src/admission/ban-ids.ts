import { randomUUID } from 'node:crypto';

import type { Clock } from '../base/clock.js';

/** Ids that share a millisecond. */
const IDS_PER_MS = 0x1000;

/**
 * Ids that sort by the time of their making (RFC 9562, version 7 with a counter), so that bans have the same order on every node:
 * about that in which they were made.
 */
export class BanIds {
  #moment = Number.NaN;
  #wallMs = 0;
  #prefix = '';
  #count = 0;

  next(clock: Clock): string {
    const moment = Math.trunc(clock.now());
    if (moment !== this.#moment || this.#count === IDS_PER_MS) {
      this.#moment = moment;
      // The wall clock may go back, and more may be made in a millisecond than it has room for.
      this.#wallMs = Math.max(clock.wallTime(moment).getTime(), this.#wallMs + 1);
      const time = Math.trunc(this.#wallMs).toString(16).padStart(12, '0');
      this.#prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
      this.#count = 0;
    }
    return `${this.#prefix}${(IDS_PER_MS + this.#count++).toString(16).slice(1)}${randomUUID().slice(18)}`;
  }
}
