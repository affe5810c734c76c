import { z } from 'zod';

import { wireText } from '../base/wire-values.js';
import type { Problem } from '../base/heartbeat.error.js';
import type { LimitKey, LiveLimits } from '../node/live-limits.js';
import { LIMIT_KEYS } from './limit-change.js';

/** Requests between nodes that change limits. */

const limits = z.object(
  Object.fromEntries(LIMIT_KEYS.map(key => [key, z.number()])) as Record<LimitKey, z.ZodNumber>,
) satisfies z.ZodType<LiveLimits>;
const problem = z.object({ key: wireText, value: z.unknown(), rule: wireText, remedy: wireText });
const problems: z.ZodType<Problem[]> = z.array(problem).max(LIMIT_KEYS.length);
const result = z.object({ limits, problems, warnings: z.array(wireText).max(LIMIT_KEYS.length) });

/** Changes the overrides of one node. `problems` are those for which nothing was changed. */
export const LIMIT_REQUEST = {
  request: z.object({
    limits: z.record(z.string().max(100), z.number().nullable()),
    forMs: z.number().positive().nullable(),
    by: wireText,
  }),
  reply: result.extend({ before: limits }),
};
export type LimitReply = z.output<typeof LIMIT_REQUEST.reply>;

/** Announces a limit for users. The node replies when it shares its counts. */
export const PREPARE_REQUEST = { request: z.object({}), reply: z.object({}) };

/** Announces a change for all nodes, which Redis has. */
export const LIMITS_REQUEST = {
  request: z.object({ keys: z.array(z.enum(LIMIT_KEYS)).max(LIMIT_KEYS.length), stamp: z.number() }),
  reply: result,
};
