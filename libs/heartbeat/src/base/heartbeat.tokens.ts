/** Injection tokens. This file imports nothing, so that every file may import it. */

/** The validated, complete and frozen options (`ResolvedOptions`). */
export const HEARTBEAT_OPTIONS = Symbol('HEARTBEAT_OPTIONS');

/** The clock (`Clock`). Tests inject their own. */
export const HEARTBEAT_CLOCK = Symbol('HEARTBEAT_CLOCK');

/** A source of numbers from 0 to 1 (`() => number`) for random delays. Tests inject their own. */
export const HEARTBEAT_RANDOM = Symbol('HEARTBEAT_RANDOM');

/** The port to the other nodes of the cluster (`ClusterBus`). */
export const HEARTBEAT_BUS = Symbol('HEARTBEAT_BUS');
