import { Injectable } from '@nestjs/common';

import type { GracePeriod } from '../drain/grace-period.js';
import { graceMsOf } from './grace-checks.js';
import { thisSystem } from './system-reader.js';

/** The grace of the supervisor of this process, as the doctor finds it. */
@Injectable()
export class SupervisorGrace implements GracePeriod {
  #ms: number | null | undefined;

  /** Read once: neither the environment nor the supervisor of a process changes. */
  get ms(): number | null {
    if (this.#ms === undefined) this.#ms = graceMsOf(thisSystem);
    return this.#ms;
  }
}
