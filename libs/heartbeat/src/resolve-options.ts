import { hostname } from 'node:os';

import { CronTime } from 'cron';
import { z } from 'zod';

import { describeProblem, HeartbeatError, type Problem } from './heartbeat.error.js';
import type { HeartbeatOptions, HeartbeatRoutes, ResolvedOptions } from './heartbeat.options.js';

export const DEFAULTS: ResolvedOptions = freeze({
  heartbeat: { intervalMs: 25_000, pongTimeoutMs: 10_000, missedPongs: 2, skipWhenActive: true, event: 'heartbeat' },
  reaper: { cron: '*/10 * * * * *', idleTimeoutMs: 0, maxLifetimeMs: 0, lifetimeJitter: 0.1 },
  limits: {
    maxConnections: 10_000,
    maxMessageBytes: 65_536,
    maxFragments: 1024,
    messageTimeoutMs: 10_000,
    maxInFlight: 64,
  },
  drain: { readinessDelayMs: 0, spreadMs: 5000, closeTimeoutMs: 2000, deadlineMs: 25_000, returnWindowMs: 10_000 },
  admin: { tokens: [] },
  health: { notReadyAtCapacity: true },
  cluster: { nodeName: hostname() },
  closedHistory: 1000,
});

export const DEFAULT_ROUTES: HeartbeatRoutes = Object.freeze({ health: '/health', admin: '/admin' });

/** The longest delay of Node's timers. */
const MAX_MS = 2 ** 31 - 1;
/** The longest message that a V8 string can still hold with room to spare. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Each checker's message is the rule itself, so that one text serves for the wrong type and for the wrong size. */
const whole = (min: number, max: number, unit: string) => {
  const rule = `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.number(rule).int(rule).min(min, rule).max(max, rule);
};
const milliseconds = (min: number) => whole(min, MAX_MS, 'milliseconds');
const share = () =>
  z
    .number('must be a number from 0 to 1')
    .min(0, 'must be a number from 0 to 1')
    .max(1, 'must be a number from 0 to 1');
const flag = () => z.boolean('must be true or false');
const words = (max: number) => {
  const rule = `must be a text of 1 to ${max} characters`;
  return z.string(rule).min(1, rule).max(max, rule);
};
const tokenRule = 'must be a text of 1 to 1024 characters, printable ASCII without blanks, as it goes into a header';
const cronRule = 'must be a cron expression of five or six fields, such as "*/10 * * * * *"';

const schema = group({
  heartbeat: group({
    // One tick is 50 ms: an interval of a few ticks is the least that can be kept.
    intervalMs: milliseconds(200),
    pongTimeoutMs: milliseconds(50),
    // Each may be found one tick late: more would not fit into the second that the promise allows.
    missedPongs: whole(1, 10, 'pings'),
    skipWhenActive: flag(),
    event: words(100),
  }),
  reaper: group({
    cron: z.string(cronRule).refine(hasNextRun, cronRule),
    idleTimeoutMs: milliseconds(0),
    maxLifetimeMs: milliseconds(0),
    lifetimeJitter: share(),
  }),
  limits: group({
    maxConnections: whole(1, 10_000_000, 'connections'),
    maxMessageBytes: whole(1, MAX_BYTES, 'bytes'),
    maxFragments: whole(1, 1_000_000, 'fragments'),
    messageTimeoutMs: milliseconds(0),
    maxInFlight: whole(1, 1_000_000, 'handlers'),
  }),
  drain: group({
    readinessDelayMs: milliseconds(0),
    spreadMs: milliseconds(0),
    closeTimeoutMs: milliseconds(1),
    deadlineMs: milliseconds(1),
    returnWindowMs: milliseconds(0),
  }),
  admin: group({
    tokens: z
      .array(
        z.strictObject(
          {
            token: z.string(tokenRule).regex(/^[!-~]{1,1024}$/, tokenRule),
            role: z.enum(['viewer', 'operator'], 'must be "viewer" or "operator"'),
            name: words(100),
          },
          'must be { token, role, name }',
        ),
        'must be a list of { token, role, name }',
      )
      .refine(
        tokens => new Set(tokens.map(({ token }) => token)).size === tokens.length,
        'must not hold the same token twice',
      ),
  }),
  health: group({ notReadyAtCapacity: flag() }),
  cluster: group({ nodeName: words(200) }),
  closedHistory: whole(0, 1_000_000, 'connections'),
});

/** The name of all options together, for a value that is no object of options. */
const WHOLE = 'options';

/**
 * The options, complete and frozen.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem: unknown keys, impossible values, impossible pairs.
 */
export function resolveOptions(given: HeartbeatOptions = {}): ResolvedOptions {
  const problems: Problem[] = [];
  const parsed = schema.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap(issue => toProblems(issue, given)));
  const broken = new Set(problems.map(({ key }) => key));
  const options = merge(given, broken);
  // A pair is judged only when both of its values are possible at all.
  problems.push(...impossiblePairs(options).filter(({ keys }) => !keys.some(key => broken.has(key))));
  if (problems.length === 0) return freeze(options);
  const unique = [...new Map(problems.map(problem => [problem.key + problem.rule, problem])).values()];
  const lines = unique.map(problem => `  - ${describeProblem(problem)}`);
  throw new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `HeartbeatModule cannot start, ${unique.length === 1 ? 'an option is' : `${unique.length} options are`} wrong:\n${lines.join('\n')}`,
    unique,
  );
}

/** Combinations that could not keep the contract (section 6), with the keys that are involved. */
function impossiblePairs({ heartbeat, drain }: ResolvedOptions): (Problem & { keys: string[] })[] {
  const found: (Problem & { keys: string[] })[] = [];
  if (heartbeat.pongTimeoutMs >= heartbeat.intervalMs) {
    found.push({
      key: 'heartbeat.pongTimeoutMs',
      keys: ['heartbeat.pongTimeoutMs', 'heartbeat.intervalMs'],
      value: heartbeat.pongTimeoutMs,
      rule: `must be below heartbeat.intervalMs (${heartbeat.intervalMs})`,
      remedy: 'lower it, or raise intervalMs',
    });
  }
  const { readinessDelayMs, spreadMs, closeTimeoutMs, deadlineMs } = drain;
  const planned = readinessDelayMs + spreadMs + closeTimeoutMs;
  if (planned > deadlineMs) {
    found.push({
      key: 'drain.deadlineMs',
      keys: ['deadlineMs', 'readinessDelayMs', 'spreadMs', 'closeTimeoutMs'].map(key => `drain.${key}`),
      value: deadlineMs,
      rule: `must not be below drain.readinessDelayMs + drain.spreadMs + drain.closeTimeoutMs (${readinessDelayMs} + ${spreadMs} + ${closeTimeoutMs} = ${planned})`,
      remedy: 'raise it, or lower one of the three',
    });
  }
  return found;
}

/** One fault that zod found, in our words; unknown keys become one problem each. */
function toProblems(issue: z.core.$ZodIssue, given: unknown): Problem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      key: [...path, key].join('.'),
      value: shownValue(given, [...path, key]),
      rule: 'is not an option',
      remedy: `remove it; ${path.length === 0 ? 'the groups are' : `${path.join('.')} has`} ${Object.keys(valueAt(DEFAULTS, path) ?? { token: 0, role: 0, name: 0 }).join(', ')}`,
    }));
  }
  const key = path.join('.') || WHOLE;
  const standard = valueAt(DEFAULTS, path);
  const remedy = standard === undefined ? 'correct it' : `correct it, or leave it out for ${JSON.stringify(standard)}`;
  return [{ key, value: shownValue(given, path), rule: issue.message, remedy }];
}

/** What may hold a secret is not shown, wherever it was put. */
function shownValue(given: unknown, path: readonly string[]): unknown {
  return path.some(key => /admin|token|secret|password/i.test(key)) ? '(hidden)' : valueAt(given, path);
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined | null)?.[key], root);
}

/** Whether the expression is one, and comes true some day: the 31st of February never does. */
function hasNextRun(expression: string): boolean {
  try {
    return new CronTime(expression).getNextDateFrom(new Date()).isValid;
  } catch {
    return false;
  }
}

/** A group of options of which any may be left out, and no other key may be given. */
function group<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, 'must be an object of options').partial();
}

/**
 * The defaults with what was given laid over; `undefined` means "not given".
 * @param broken What was reported already: the rest is judged as if it had not been given.
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

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}
