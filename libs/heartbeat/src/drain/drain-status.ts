import { z } from 'zod';

import { wireCount, wireText } from '../base/wire-values.js';

/** `draining` from the failure of readiness on. `drained` when no connection is left and new ones are refused. */
export const DRAIN_STATES = ['serving', 'draining', 'drained'] as const;
export type DrainState = (typeof DRAIN_STATES)[number];

/** The plan of a drain while the node serves, otherwise the progress of the drain that runs or has ended. */
export const drainPlan = z.object({
  node: wireText.meta({ description: 'The id of the node.' }),
  state: z.enum(DRAIN_STATES),
  connections: wireCount.meta({ description: 'Open connections.' }),
  /** Open connections with work: handlers in flight, or a lease of `Connection.busy`. */
  busy: wireCount.meta({ description: 'Open connections with work: handlers in flight, or a busy lease.' }),
  /** The time over which closes are spread. */
  spreadMs: wireCount.meta({ description: 'The time over which closes are spread.' }),
  /** The longest time from the start of the drain to its end, if no deadline ended it. The time for work counts while there is some. */
  estimatedMs: wireCount.meta({ description: 'The longest time from its start to its end, without the deadline.' }),
  /** The time from the start at which the remaining connections are destroyed. */
  deadlineMs: wireCount.meta({ description: 'The time after its start at which remaining connections are destroyed.' }),
  /** The orchestrator's grace; null where it is unknown or has no end. */
  graceMs: wireCount.nullable().meta({ description: "The orchestrator's grace; null where it is unknown or endless." }),
  /** Whether `estimatedMs` fits into the deadline, and into the grace less the second for the end of the process. */
  fits: z.boolean().meta({ description: 'Whether it fits into deadline and grace.' }),
  /** The time by which it does not fit; 0 where it fits. */
  excessMs: wireCount.meta({ description: 'The time by which it does not fit; 0 where it fits.' }),
  /** Connections of the drain that are still open; 0 while the node serves. */
  remaining: wireCount.meta({ description: 'Connections of the drain that are still open; 0 without a drain.' }),
  /** All connections of the drain; 0 while the node serves. */
  total: wireCount.meta({ description: 'All connections of the drain; 0 without a drain.' }),
  /** Connections that the deadline has destroyed. */
  terminated: wireCount.meta({ description: 'Connections that the deadline has destroyed.' }),
  /** ISO 8601 UTC; null while the node serves. */
  startedAt: wireText.nullable().meta({ description: 'Null without a drain.' }),
  /** The reason of the drain; null while the node serves. */
  reason: wireText.nullable().meta({ description: 'Its reason, such as `SIGTERM`; null without a drain.' }),
  /** Whether the process ends after the drain, which then cannot be aborted. */
  final: z.boolean().meta({ description: 'Whether the process ends after it, so that it cannot be aborted.' }),
});
/** The plan of a drain while the node serves, otherwise the progress of the drain that runs or has ended. */
export interface DrainPlan extends Readonly<z.output<typeof drainPlan>> {}
