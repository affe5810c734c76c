import { z } from 'zod';

import { CloseCodes } from '../protocol/close-code.js';
import { group, milliseconds } from './checkers.js';

const closeCodeRule = `must be ${CloseCodes.goingAway.code} or ${CloseCodes.serviceRestart.code}`;

/** The default of `drain.spreadMs` never exceeds this time, for any number of connections. */
export const LONGEST_DEFAULT_SPREAD_MS = 5000;

/** The default of `drain.workTimeoutMs` never exceeds this time. */
const LONGEST_DEFAULT_WORK_MS = 10_000;

/** The drain of all connections at a deploy. The first three together must not exceed `deadlineMs`. */
export interface DrainOptions {
  /**
   * New connections are still admitted for this long after readiness has failed, until the load balancer has noticed.
   * Default: 0.
   */
  readinessDelayMs: number;
  /**
   * The closes are spread over this time, each connection at its own random moment. A set value is not adapted.
   * Default: 10 for each connection, at most 5000, so that a few connections are closed at once.
   */
  spreadMs: number | undefined;
  /**
   * Time for a closing handshake before the socket is destroyed. It applies to every close, not only in a drain.
   * Default: 2000.
   */
  closeTimeoutMs: number;
  /**
   * Time for work of a connection that the drain has reached: handlers in flight, and leases of `Connection.busy`. It is closed as soon as
   * the work is done and the replies are sent. 0 waits for nothing.
   * Default: 10000, or what readinessDelayMs, spreadMs and closeTimeoutMs leave of deadlineMs where that is less.
   */
  workTimeoutMs: number | undefined;
  /**
   * The remaining connections are destroyed and counted then. The process ends at the latest one second later.
   * Default: 25000, below the 30 s of Kubernetes' `terminationGracePeriodSeconds`.
   */
  deadlineMs: number;
  /**
   * Each client receives a random delay from this window, after which it should reconnect.
   * Default: 10000.
   */
  returnWindowMs: number;
  /**
   * The close code of a drain: 1001 (going away), or 1012 (service restart) for client libraries that take 1001 for an end by design and do
   * not reconnect. It is sent by nothing else.
   * Default: 1001, which every client stack shows.
   */
  closeCode: 1001 | 1012;
}

export const DRAIN_DEFAULTS: DrainOptions = {
  readinessDelayMs: 0,
  spreadMs: undefined,
  closeTimeoutMs: 2000,
  workTimeoutMs: undefined,
  deadlineMs: 25_000,
  returnWindowMs: 10_000,
  closeCode: 1001,
};

export const DRAIN_RULES = group<DrainOptions>({
  readinessDelayMs: milliseconds(0),
  spreadMs: milliseconds(0),
  closeTimeoutMs: milliseconds(1),
  workTimeoutMs: milliseconds(0),
  deadlineMs: milliseconds(1),
  returnWindowMs: milliseconds(0),
  closeCode: z.literal([CloseCodes.goingAway.code, CloseCodes.serviceRestart.code], closeCodeRule),
});

/** The times of a drain that bound each other. */
export type DrainTimes = Pick<DrainOptions, 'readinessDelayMs' | 'spreadMs' | 'closeTimeoutMs' | 'deadlineMs'>;

/** The time that a drain needs in any case, for any number of connections, in milliseconds. */
export function plannedMs({ readinessDelayMs, spreadMs, closeTimeoutMs }: DrainTimes): number {
  return readinessDelayMs + (spreadMs ?? LONGEST_DEFAULT_SPREAD_MS) + closeTimeoutMs;
}

/** The time for the work of a connection, in milliseconds: the option, or its default. */
export function workTimeoutOf(drain: DrainTimes & { readonly workTimeoutMs?: number | undefined }): number {
  return drain.workTimeoutMs ?? Math.max(0, Math.min(LONGEST_DEFAULT_WORK_MS, drain.deadlineMs - plannedMs(drain)));
}
