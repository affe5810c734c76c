import type { z } from 'zod';

import { EXTRAS } from './extras.js';
import { freezeDeeply, isPlainObject } from '../base/freeze-deeply.js';
import { describeProblem, HeartbeatError, type Problem } from '../base/heartbeat.error.js';
import { DEFAULT_TEXTS, DEFAULTS, type HeartbeatOptions, type ResolvedOptions, RULES } from './heartbeat.options.js';
import { impossiblePairs } from './option-pairs.js';

/** The key of all options together, for a value that is not an object of options. */
const WHOLE = 'options';

/**
 * Returns the options, complete and frozen.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem: unknown keys, impossible values, impossible pairs.
 */
export function resolveOptions(given: HeartbeatOptions = {}): ResolvedOptions {
  const problems: Problem[] = [];
  const parsed = RULES.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap(issue => toProblems(issue, given)));
  const broken = new Set(problems.map(({ key }) => key));
  const options = merge(given, broken);
  // A pair is checked only when both of its values are possible alone.
  problems.push(...impossiblePairs(options).filter(({ keys }) => !keys.some(key => broken.has(key))));
  if (problems.length === 0) return freezeDeeply(options);
  const unique = [...new Map(problems.map(problem => [problem.key + problem.rule, problem])).values()];
  const lines = unique.map(problem => `  - ${describeProblem(problem)}`);
  throw new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `HeartbeatModule cannot start, ${unique.length === 1 ? 'an option is' : `${unique.length} options are`} wrong:\n${lines.join('\n')}`,
    unique,
  );
}

/** Converts one issue of zod into problems; each unknown key becomes one. */
function toProblems(issue: z.core.$ZodIssue, given: unknown): Problem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      key: [...path, key].join('.'),
      value: shownValue(given, [...path, key]),
      rule: 'is not an option',
      remedy: remedyOfUnknown(path, key),
    }));
  }
  const key = path.join('.') || WHOLE;
  return [{ key, value: shownValue(given, path), rule: issue.message, remedy: remedyOf(path) }];
}

function remedyOfUnknown(path: readonly string[], key: string): string {
  if (path.length > 0)
    return `remove it; ${path.join('.')} has ${Object.keys(valueAt(DEFAULTS, path) ?? TOKEN).join(', ')}`;
  if (EXTRAS.includes(key))
    return 'give it to forRoot or forRootAsync itself, beside the factory: a factory returns options only';
  return `remove it; the groups are ${Object.keys(DEFAULTS).join(', ')}; beside the options stand ${EXTRAS.join(', ')}`;
}

/** The keys of a token, which has no defaults. */
const TOKEN = { token: '', role: '', name: '' };

/** For an item of a list, the default is that of the list. */
function remedyOf(path: readonly string[]): string {
  const option = path.findIndex(key => /^\d+$/.test(key));
  const whole = option < 0 ? path : path.slice(0, option);
  if (whole.length === 0 || isPlainObject(valueAt(DEFAULTS, whole))) return 'correct it';
  const standard = valueAt(DEFAULTS, whole);
  const text = DEFAULT_TEXTS[whole.join('.')] ?? JSON.stringify(standard);
  return `correct it, or leave ${option < 0 ? 'it' : whole.join('.')} out for ${text}`;
}

/** A value that may be a secret is hidden, wherever it was set. */
function shownValue(given: unknown, path: readonly string[]): unknown {
  return path.some(key => /admin|token|secret|password|redisUrl/i.test(key)) ? '(hidden)' : valueAt(given, path);
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined | null)?.[key], root);
}

/**
 * Merges the given options into the defaults; `undefined` means "not given".
 * @param broken The keys with a reported problem. They count as not given.
 */
function merge(given: HeartbeatOptions, broken: ReadonlySet<string>): ResolvedOptions {
  const over = (standard: unknown, value: unknown, path: readonly string[]): unknown => {
    if (value === undefined || broken.has(path.join('.') || WHOLE)) return standard;
    if (!isPlainObject(standard)) return value;
    const present = value as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(standard).map(key => [key, over(standard[key], present[key], [...path, key])]),
    );
  };
  return over(DEFAULTS, given, []) as ResolvedOptions;
}
