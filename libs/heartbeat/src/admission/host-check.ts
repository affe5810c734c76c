import { type HostJudge, hostJudge } from '../base/host-names.js';
import type { LimitedLogger } from '../base/limited-logger.js';
import { printable } from '../base/printable.js';
import { type Refusal, refusals } from './refusal.js';

/** Longer than any host name. */
const MAX_HOST = 300;

/** Refuses upgrades for names that the option `hosts` lacks, and logs the option that would allow them. */
export class HostCheck {
  readonly #isServed: HostJudge;

  constructor(
    hosts: readonly string[],
    private readonly log: LimitedLogger,
  ) {
    this.#isServed = hostJudge(hosts);
  }

  /** Returns null where the host is a name of this server. */
  refusalOf(host: string | undefined): Refusal | null {
    if (this.#isServed(host)) return null;
    const shown = JSON.stringify(printable(host ?? '', MAX_HOST));
    this.log.warn('refused a host', `refused the host ${shown}: to answer to it, add it to the option hosts (HOSTS)`);
    return refusals.originRefused(shown, 'hosts');
  }
}
