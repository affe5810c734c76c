/** How large and how long; the one place of all numbers of a run that are not a server's own. */
export interface BenchPlan {
  readonly connections: number;
  readonly rounds: number;
  readonly intervalMs: number;
  /** Clients that come and go before anything is counted, so that what is made once was made. */
  readonly warmUp: number;
  /** A window of measuring: whole intervals, so that a burst of all is in it as often as it should be. */
  readonly windowMs: number;
  /** How often each server has its turn in the row about busy connections; four orders come as often where it is a multiple of four. */
  readonly busyTurns: number;
  readonly busyWindowMs: number;
  readonly busyShare: number;
  readonly echoConnections: number;
  readonly echoEveryMs: number;
  readonly floodConnections: number;
  readonly floodInFlight: number;
  readonly floodMs: number;
  readonly drainSpreadMs: number;
  readonly silent: number;
  /** Time for which the server's event loop is held, and how often. */
  readonly stallMs: number;
  readonly stalls: number;
  readonly broadcasts: number;
  /** How long a server is watched before each, to know what it uses anyhow. */
  readonly restMs: number;
  /** A window of a server at rest, and the idle connections in the second one. */
  readonly restWindowMs: number;
  readonly idleConnections: number;
  readonly listings: number;
  /** Connections without sockets, for the bookkeeping alone. */
  readonly simulated: number;
}

/** As the project's goals have it. */
export const FULL: BenchPlan = {
  connections: 15_000,
  rounds: 3,
  intervalMs: 5000,
  warmUp: 1500,
  windowMs: 10_000,
  busyTurns: 8,
  busyWindowMs: 5000,
  busyShare: 0.3,
  echoConnections: 20,
  echoEveryMs: 40,
  floodConnections: 100,
  floodInFlight: 4,
  floodMs: 4000,
  drainSpreadMs: 5000,
  silent: 300,
  stallMs: 2500,
  stalls: 3,
  broadcasts: 9,
  restMs: 2000,
  restWindowMs: 30_000,
  idleConnections: 100,
  listings: 20,
  simulated: 1_000_000,
};

/** Does it work at all? Its figures are no measurement. */
export const QUICK: BenchPlan = {
  ...FULL,
  connections: 300,
  rounds: 1,
  intervalMs: 500,
  warmUp: 50,
  windowMs: 500,
  busyTurns: 2,
  // Two intervals: a late burst of pings is in one of the windows all the same.
  busyWindowMs: 1000,
  floodConnections: 20,
  floodMs: 200,
  drainSpreadMs: 500,
  silent: 20,
  stallMs: 250,
  stalls: 2,
  broadcasts: 2,
  restMs: 200,
  restWindowMs: 500,
  idleConnections: 10,
  listings: 1,
  simulated: 20_000,
};
