import { z } from 'zod';

import { HeartbeatError, type Problem } from '../base/heartbeat.error.js';
import type { LimitKey } from '../node/live-limits.js';
import { milliseconds, text } from '../options/checkers.js';
import { LIMIT_RULES } from '../options/limits.options.js';
import { LOAD_RULES } from '../options/load.options.js';

/** New values of limits. Null removes the override, so that the next one below it, or the option, applies again. */
export type LimitChange = { readonly [Key in LimitKey]?: number | null | undefined };

export interface LimitChangeOptions {
  /** The time after which the change ends, in milliseconds. Default: it lasts until the process ends, or for `all` until it is removed. */
  readonly forMs?: number | undefined;
  /** The id or the name of a node, or `all`. Default: this node. */
  readonly node?: string | undefined;
  /** The name for the events. Default: `application`. */
  readonly by?: string | undefined;
}

type LimitShape = { readonly [Key in LimitKey]: z.ZodOptional<z.ZodNullable<z.ZodType<number>>> };

/** The rule of each limit: that of its option, or null. */
export const LIMIT_SHAPE = {
  maxConnections: orNull(LIMIT_RULES.shape.maxConnections),
  maxPerIp: orNull(LIMIT_RULES.shape.maxPerIp),
  maxPerUser: orNull(LIMIT_RULES.shape.maxPerUser),
  upgradesPerSecond: orNull(LIMIT_RULES.shape.upgradesPerSecond),
  upgradesPerSecondPerIp: orNull(LIMIT_RULES.shape.upgradesPerSecondPerIp),
  messagesPerSecond: orNull(LIMIT_RULES.shape.messagesPerSecond),
  refuseAbove: orNull(LOAD_RULES.shape.refuseAbove),
  shedAbove: orNull(LOAD_RULES.shape.shedAbove),
} satisfies LimitShape;

export const LIMIT_KEYS = Object.keys(LIMIT_SHAPE) as readonly LimitKey[];

const change = z.strictObject(LIMIT_SHAPE, {
  error: ({ code }) =>
    code === 'unrecognized_keys'
      ? `is not a limit that can change: these are ${LIMIT_KEYS.join(', ')}`
      : 'must be an object of limits',
});
const changeOptions = z.strictObject(
  { forMs: milliseconds(1).optional(), node: text(400).optional(), by: text(200).optional() },
  { error: ({ code }) => (code === 'unrecognized_keys' ? 'is not one of forMs, node and by' : 'must be an object') },
);

/** The value of one limit; null for a value that is impossible, and for an unknown limit. */
export function limitOf(key: string, value: unknown): { readonly key: LimitKey; readonly value: number | null } | null {
  const known = LIMIT_KEYS.find(name => name === key);
  const parsed = known && LIMIT_SHAPE[known].safeParse(value);
  return known === undefined || parsed?.data === undefined ? null : { key: known, value: parsed.data };
}

/**
 * Checks the input of a change, each value by itself.
 * @throws HeartbeatError `HEARTBEAT_BAD_LIMITS` with every problem.
 */
export function checkedChange(
  given: LimitChange,
  options: LimitChangeOptions,
): { readonly limits: readonly (readonly [LimitKey, number | null])[]; readonly options: LimitChangeOptions } {
  const [limits, rest] = [change.safeParse(given), changeOptions.safeParse(options)];
  const problems = [
    ...(limits.error?.issues ?? []).flatMap(issue => problemsOf(issue, given)),
    ...(rest.error?.issues ?? []).flatMap(issue => problemsOf(issue, options)),
  ];
  const all = LIMIT_KEYS.flatMap(key => {
    const value = limits.data?.[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  if (problems.length === 0 && all.length === 0) {
    const rule = `must have at least one of ${LIMIT_KEYS.join(', ')}`;
    problems.push({ key: '', value: '(no limit)', rule, remedy: 'add the limit that is to change' });
  }
  if (problems.length === 0 && rest.data?.forMs !== undefined && all.every(([, value]) => value === null)) {
    const rule = 'must not be given where each limit is null: a removal has no end';
    problems.push({ key: 'forMs', value: rest.data.forMs, rule, remedy: 'leave it out, or give a value' });
  }
  if (problems.length > 0) throw badLimits(problems);
  return { limits: all, options: rest.data ?? {} };
}

export function badLimits(problems: readonly Problem[]): HeartbeatError {
  const lines = problems.map(({ key, rule, remedy }) => `${key === '' ? 'the change' : key} ${rule}: ${remedy}`);
  return new HeartbeatError('HEARTBEAT_BAD_LIMITS', `the limits were not changed: ${lines.join('; ')}`, problems);
}

function problemsOf(issue: z.core.$ZodIssue, given: unknown): Problem[] {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.map(String).join('.')];
  const remedy = issue.code === 'unrecognized_keys' ? 'remove it' : 'correct it, or leave it out';
  return keys.map(key => {
    const value: unknown = key === '' ? given : (given as Record<string, unknown>)[key];
    return { key, value, rule: issue.message, remedy };
  });
}

function orNull(rule: z.ZodOptional<z.ZodType>): z.ZodOptional<z.ZodNullable<z.ZodType<number>>> {
  return (rule.unwrap() as z.ZodType<number>).nullable().optional();
}
