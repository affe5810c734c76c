import type { ConnectionService } from '../connection/connection.service.js';
import type { Closing } from '../connection/connection.types.js';
import type { CauseNote } from '../connection/history/flight-note.js';
import type { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { InboundPolicy } from '../connection/ports.js';
import type { NodeState } from '../node/node-state.js';
import type { DrainOptions } from '../options/drain.options.js';

/** The recorded close of connections that a drain, or the end of the process, destroys. */
export function terminatedBy({ closeCode: code }: Readonly<DrainOptions>): Closing {
  return { code, reason: 'terminated at the end of a drain', by: 'server' };
}

/** Its entry in the flight record. */
export const TERMINATED: CauseNote = Object.freeze({ kind: 'terminated' });

/** The limits of a drain, in milliseconds. Those that are left out are those of the options. */
export type DrainSettings = Readonly<
  Pick<DrainOptions, 'readinessDelayMs' | 'spreadMs' | 'deadlineMs'> &
    Partial<Pick<DrainOptions, 'workTimeoutMs' | 'returnWindowMs'>>
>;

/** The parts of a node that a drain acts on. */
export interface DrainParts {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly events: HeartbeatEvents;
  readonly inbound: InboundPolicy;
}

/** The result of a drain. */
export interface DrainResult {
  /** Connections that were open when admission closed, and those that upgrades in progress opened later. */
  readonly total: number;
  /** Connections that were destroyed at the deadline. */
  readonly terminated: number;
  readonly durationMs: number;
  /** The drain was aborted: the node serves again. */
  readonly aborted?: true;
}

/** The times of a drain from its start, in milliseconds, and its progress. */
export interface DrainProgress {
  /** Monotonic. */
  readonly startedAt: number;
  /** The reason of the drain, or of the end of the process that took it over. */
  readonly reason: string;
  readonly total: number;
  readonly terminated: number;
  readonly readinessDelayMs: number;
  readonly spreadMs: number;
  readonly workTimeoutMs: number;
  readonly deadlineMs: number;
}
