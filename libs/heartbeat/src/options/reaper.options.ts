import { CronTime } from 'cron';
import { z } from 'zod';

import { group, milliseconds, share } from './checkers.js';

const cronRule = 'must be a cron expression of five or six fields, such as "*/10 * * * * *"';

/** The scheduled task. It closes connections that are idle or too old, and compares the registry with the sockets. */
export interface ReaperOptions {
  /**
   * Schedule: a cron expression of five or six fields; the first of six is the second.
   * Default: every ten seconds.
   */
  cron: string;
  /**
   * A connection without an application message in either direction for this long is closed with 4001. Heartbeats do not count. 0 is off.
   * Default: 0.
   */
  idleTimeoutMs: number;
  /**
   * An older connection is closed with 4002, so that long-lived clients are distributed over new nodes. 0 is off.
   * Default: 0.
   */
  maxLifetimeMs: number;
  /**
   * Fraction by which the lifetime of each connection differs, from 0 to 1: 0.1 is plus or minus a tenth.
   * Default: 0.1.
   */
  lifetimeJitter: number;
  /**
   * Time for `identify()` where `authenticate` returned `'deferred'`. Then the connection is closed with 4503.
   * Default: 10000.
   */
  identifyTimeoutMs: number;
}

export const REAPER_DEFAULTS: ReaperOptions = {
  cron: '*/10 * * * * *',
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
  lifetimeJitter: 0.1,
  identifyTimeoutMs: 10_000,
};

export const REAPER_RULES = group<ReaperOptions>({
  cron: z.string(cronRule).refine(hasNextRun, cronRule),
  idleTimeoutMs: milliseconds(0),
  maxLifetimeMs: milliseconds(0),
  lifetimeJitter: share(),
  identifyTimeoutMs: milliseconds(1),
});

/** Whether the text is a cron expression that matches some date: the 31st of February never does. */
function hasNextRun(expression: string): boolean {
  try {
    return new CronTime(expression).getNextDateFrom(new Date()).isValid;
  } catch {
    return false;
  }
}
