import { z } from 'zod';

import { describeProblem, HeartbeatError } from '../base/heartbeat.error.js';
import { milliseconds } from '../options/checkers.js';

/** Values of one drain that differ from the options. */
export const drainRequest = z.strictObject(
  {
    spreadMs: milliseconds(0).optional().meta({ description: 'Closes are spread over this time.' }),
    returnWindowMs: milliseconds(0).optional().meta({ description: 'Window of the advised reconnect delays.' }),
    workTimeoutMs: milliseconds(0).optional().meta({ description: 'Time for the work of a connection.' }),
    deadlineMs: milliseconds(1).optional().meta({
      description: 'Remaining connections are destroyed. Default: the sum of its parts (delay, spread, work, close).',
    }),
  },
  { error: ({ code }) => (code === 'unrecognized_keys' ? 'is no value of a drain' : 'must be an object') },
);

/** Values of one drain that differ from the options, in milliseconds. */
export interface DrainRequest {
  /** The closes are spread over this time. Default: `drain.spreadMs`. */
  readonly spreadMs?: number | undefined;
  /** The window of the advised reconnect delays. Default: `drain.returnWindowMs`. */
  readonly returnWindowMs?: number | undefined;
  /**
   * Time for the work of a connection that the drain has reached. Default: `drain.workTimeoutMs`; with a `deadlineMs`, at most what the other
   * parts leave of it.
   */
  readonly workTimeoutMs?: number | undefined;
  /**
   * The remaining connections are destroyed then. Default: the sum of `drain.readinessDelayMs`, the spread, the time for work, and
   * `drain.closeTimeoutMs`.
   */
  readonly deadlineMs?: number | undefined;
}

/** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem. */
export function assertDrainRequest(given: unknown): DrainRequest {
  const { success, data, error } = drainRequest.safeParse(given);
  if (success) return data;
  const remedy = `correct it, or leave it out; a drain has ${Object.keys(drainRequest.shape).join(', ')}`;
  const problems = error.issues.flatMap(({ path, message: rule, ...issue }) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : [path.join('.') || 'request'];
    return keys.map(key => ({ key, value: valueAt(given, key), rule, remedy }));
  });
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `the drain cannot begin:${lines.join('')}`, problems);
}

/** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a reason that is not a text, before anything changes. */
export function assertReason(reason: unknown): void {
  if (typeof reason === 'string') return;
  const problem = { key: 'reason', value: reason, rule: 'must be a text', remedy: 'name the cause, for the log' };
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `the drain did not change: ${describeProblem(problem)}`, [problem]);
}

function valueAt(given: unknown, key: string): unknown {
  return key === 'request' ? given : (given as Readonly<Record<string, unknown>>)[key];
}
