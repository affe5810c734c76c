import { randomUUID } from 'node:crypto';

import type { Clock } from '../base/clock.js';

/** Number of ids for one millisecond. */
const IDS_PER_MS = 0x1000;

/**
 * Ids that sort by the time of their creation (RFC 9562, version 7 with a counter). So bans have the same order on every node,
 * approximately that of their creation.
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
      // The wall clock may go back, and one millisecond may need more ids than it has.
      this.#wallMs = Math.max(clock.wallTime(moment).getTime(), this.#wallMs + 1);
      const time = Math.trunc(this.#wallMs).toString(16).padStart(12, '0');
      this.#prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
      this.#count = 0;
    }
    return `${this.#prefix}${(IDS_PER_MS + this.#count++).toString(16).slice(1)}${randomUUID().slice(18)}`;
  }
}
