/** Injection tokens. This file imports nothing, so that every file may import it. */

/** The validated, complete and frozen options (`ResolvedOptions`). */
export const HEARTBEAT_OPTIONS = Symbol('HEARTBEAT_OPTIONS');

/** The dotted keys of the options that were passed (`ReadonlySet<string>`). */
export const HEARTBEAT_GIVEN_KEYS = Symbol('HEARTBEAT_GIVEN_KEYS');

/**
 * The variables of the environment that set options, by the dotted key of the option (`Record<string, string>`), for `GET config`. A program
 * that makes options from its environment provides it in a global module.
 */
export const HEARTBEAT_OPTION_VARIABLES = Symbol('HEARTBEAT_OPTION_VARIABLES');

/** The clock (`Clock`). Tests inject their own. */
export const HEARTBEAT_CLOCK = Symbol('HEARTBEAT_CLOCK');

/** A source of numbers from 0 to 1 (`() => number`) for random delays. Tests inject their own. */
export const HEARTBEAT_RANDOM = Symbol('HEARTBEAT_RANDOM');

/** The port to the other nodes of the cluster (`ClusterBus`). */
export const HEARTBEAT_BUS = Symbol('HEARTBEAT_BUS');
