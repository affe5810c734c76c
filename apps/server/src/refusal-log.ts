/** How often one reason is logged at most. */
const WINDOW_MS = 60_000;

/**
 * Why client tokens are refused, for the operator: clients get a bare 401. Each reason is logged at most once a minute, with the
 * number of refusals since its last line; reasons are texts of the code, so that their number is bounded.
 */
export class RefusalLog {
  readonly #reasons = new Map<string, { loggedAt: number; unlogged: number }>();

  constructor(
    private readonly write: (line: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  refused(reason: string): void {
    const known = this.#reasons.get(reason);
    const now = this.now();
    if (known !== undefined && now - known.loggedAt < WINDOW_MS) {
      known.unlogged++;
      return;
    }
    const earlier = known === undefined || known.unlogged === 0 ? '' : ` (and ${known.unlogged} more before)`;
    this.#reasons.set(reason, { loggedAt: now, unlogged: 0 });
    this.write(`a client token was refused: ${reason}${earlier}`);
  }
}
