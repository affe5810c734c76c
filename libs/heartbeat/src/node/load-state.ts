/** The measurement that decides the load. */
export type LoadSource = 'event-loop' | 'heap' | 'memory' | 'cpu';

/**
 * `well` under 0.7, `busy` above, `refusing` above `load.refuseAbove`, `shedding` above `load.shedAbove`; each level ends only well below
 * its mark.
 */
export type LoadLevel = 'well' | 'busy' | 'refusing' | 'shedding';

/** The load of a node: a ratio from 0 to 1, the measurement that decided it, and its consequences. */
export interface LoadState {
  readonly ratio: number;
  readonly source: LoadSource;
  readonly level: LoadLevel;
  /** New clients are refused with 503 `overloaded`. */
  readonly refusing: boolean;
  /** The longest idle connections are closed. */
  readonly shedding: boolean;
}
