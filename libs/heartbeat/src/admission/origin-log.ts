import type { Clock } from '../base/clock.js';
import { type LimitedLogger, WINDOW_MS } from '../base/limited-logger.js';
import { printable } from '../base/printable.js';
import { canonicalOrigin, OPAQUE } from '../base/origin.js';

/** Maximum of origins that are named in a minute. Further ones are counted together. */
const MOST_NAMED = 10;
/** Longer than any host name. */
const MAX_ORIGIN = 300;

/** Logs refused origins, each with the option that would allow it. */
export class OriginLog {
  readonly #named = new Set<string>();
  #since = -Infinity;

  constructor(
    private readonly log: LimitedLogger,
    private readonly clock: Clock,
    private readonly allowed: 'same-host' | readonly string[],
  ) {}

  /** @param option The option that decided where it is not `origins`, but one of the server of the path. */
  refused(origin: string, host: string, option?: string): void {
    const canonical = canonicalOrigin(origin);
    const shown = printable(canonical ?? origin, MAX_ORIGIN);
    const what = `refused the origin "${shown}" for the host "${printable(host, MAX_ORIGIN)}"`;
    // Texts that are not an origin are unlimited in number, and none can be allowed.
    const kind = canonical === null ? 'refused Origin headers that are no origin' : this.#kindOf(shown);
    this.log.warn(kind, `${what}: ${this.#advice(canonical, shown, option)}`);
  }

  #advice(canonical: string | null, shown: string, option?: string): string {
    const named = option ?? 'origins (ORIGINS)';
    if (canonical === null || shown.length > MAX_ORIGIN)
      return `it is no origin of a browser or an application, and no entry of the option ${named} allows it`;
    const risk =
      canonical === OPAQUE
        ? '; beware, sandboxed frames and redirects of any site have the origin "null", so admit it only where each client sends a token'
        : '';
    const list =
      option === undefined && this.allowed === 'same-host'
        ? `set the option origins (ORIGINS) to a list of "${shown}" and the origins of your own pages`
        : `add "${shown}" to the option ${named}`;
    return `to allow it, ${list}${risk}`;
  }

  /** A separate kind for the first few of a minute, so that a client that invents origins cannot flood the log. */
  #kindOf(shown: string): string {
    const now = this.clock.now();
    if (now - this.#since >= WINDOW_MS) {
      this.#named.clear();
      this.#since = now;
    }
    if (!this.#named.has(shown) && this.#named.size >= MOST_NAMED) return 'refused further origins';
    this.#named.add(shown);
    return `refused the origin "${shown}"`;
  }
}
