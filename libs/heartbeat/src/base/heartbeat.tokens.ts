/** Injection tokens. This file imports nothing, so that everything may import it. */

/** The validated, complete and frozen options (`ResolvedOptions`). */
export const HEARTBEAT_OPTIONS = Symbol('HEARTBEAT_OPTIONS');

/** The clock (`Clock`); tests bring their own. */
export const HEARTBEAT_CLOCK = Symbol('HEARTBEAT_CLOCK');

/** A source of numbers from 0 to 1 (`() => number`), from which advised delays are drawn; tests bring their own. */
export const HEARTBEAT_RANDOM = Symbol('HEARTBEAT_RANDOM');

/** What the nodes of a cluster share (`ClusterBus`). */
export const HEARTBEAT_BUS = Symbol('HEARTBEAT_BUS');
