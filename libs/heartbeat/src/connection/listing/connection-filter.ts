import type { ConnectionState } from './connection-view.js';
import { TRANSPORT_NAMES, type TransportName } from '../transport.js';
import { describeProblem, HeartbeatError, type Problem } from '../../base/heartbeat.error.js';

/** Conditions on connections. All given conditions must be met. A condition that is `undefined` or null is an error, never "any". */
export interface ConnectionFilter {
  readonly user?: string;
  /** An address, or a CIDR such as `10.0.0.0/8`. */
  readonly ip?: string;
  readonly path?: string;
  /** A node's id or name. */
  readonly node?: string;
  readonly state?: ConnectionState;
  readonly transport?: TransportName;
  /** No application message in either direction for at least this long. */
  readonly minIdleMs?: number;
  readonly minAgeMs?: number;
  readonly minRttMs?: number;
  readonly minBufferedBytes?: number;
  /** Labels that the connection has with exactly these values; at least one. */
  readonly labels?: Readonly<Record<string, string>>;
}

interface Rule {
  readonly holds: (value: unknown) => boolean;
  readonly rule: string;
  /** The value to give instead. */
  readonly give: string;
}

const TEXT: Rule = { holds: value => typeof value === 'string', rule: 'must be a text', give: 'give a text' };
const LEAST: Rule = {
  holds: value => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  rule: 'must be a number from 0',
  give: 'give a finite number that is not negative',
};
const STATES: readonly unknown[] = ['open', 'probing', 'closing'] satisfies readonly ConnectionState[];
const oneOf = (values: readonly unknown[]): Rule => ({
  holds: value => values.includes(value),
  rule: `must be one of ${values.join(', ')}`,
  give: 'give one of them',
});
const LABELS: Rule = {
  holds: value => (keysOf(value)?.length ?? 0) > 0,
  rule: 'must be an object of label names and values, with at least one',
  give: 'give a plain object such as { room: "a" }',
};

/** The compiler checks that no condition lacks a rule. */
const RULES: Readonly<Record<keyof ConnectionFilter, Rule>> = {
  user: TEXT,
  ip: TEXT,
  path: TEXT,
  node: TEXT,
  state: oneOf(STATES),
  transport: oneOf(TRANSPORT_NAMES),
  minIdleMs: LEAST,
  minAgeMs: LEAST,
  minRttMs: LEAST,
  minBufferedBytes: LEAST,
  labels: LABELS,
};

/**
 * The given filter, or an error. No given condition is ever lost, also where its value is `undefined`, its key is misspelt or inherited, or
 * a getter returns different values. The copy is read once, and has own properties only.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` with every problem.
 */
export function checkedFilter(given: unknown): ConnectionFilter {
  const keys = keysOf(given);
  if (keys === null) {
    const remedy = 'give an object such as { user: "ada" }; without conditions it is {}';
    throw badQuery([{ key: 'filter', value: given, rule: 'must be a plain object', remedy }]);
  }
  const problems: Problem[] = [];
  const conditions = keys.map((key): readonly [string, unknown] => {
    const name = String(key);
    const value: unknown = Reflect.get(given as object, key);
    const rule = Object.hasOwn(RULES, key) ? RULES[key as keyof ConnectionFilter] : null;
    if (rule === null) problems.push(unknownKey(name, value));
    else if (!rule.holds(value)) problems.push(problemOf(name, value, rule));
    return [name, name === 'labels' && LABELS.holds(value) ? checkedLabels(value as object, problems) : value];
  });
  if (problems.length > 0) throw badQuery(problems);
  return Object.fromEntries(conditions);
}

/**
 * The same for operations that must not affect all connections: at least one condition, and no empty text.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` with every problem.
 */
export function checkedCondition(given: unknown): ConnectionFilter {
  const filter = checkedFilter(given);
  const entries = Object.entries(filter);
  if (entries.length === 0) {
    const remedy = 'give at least one; { minAgeMs: 0 } matches every connection';
    throw badQuery([{ key: 'filter', value: given, rule: 'must have a condition', remedy }]);
  }
  const empty = entries.filter(([, value]) => value === '');
  if (empty.length > 0) {
    const rule: Rule = { ...TEXT, rule: 'must not be empty' };
    throw badQuery(empty.map(([key, value]) => problemOf(key, value, rule)));
  }
  return filter;
}

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a value that is not a text. */
export function assertText(key: string, value: unknown): void {
  if (!TEXT.holds(value)) throw badQuery([{ key, value, rule: TEXT.rule, remedy: TEXT.give }]);
}

export function badQuery(problems: readonly Problem[]): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_BAD_QUERY', problems.map(describeProblem).join('; '), problems);
}

function checkedLabels(labels: object, problems: Problem[]): Readonly<Record<string, string>> {
  const entries = (keysOf(labels) ?? []).map((key): readonly [string, string] => {
    const value: unknown = Reflect.get(labels, key);
    const name = `labels.${String(key)}`;
    if (typeof key === 'symbol' || !TEXT.holds(value)) problems.push(problemOf(name, value, TEXT));
    return [String(key), value as string];
  });
  // Defines each key, also `__proto__`, which an assignment would lose.
  return Object.fromEntries(entries);
}

/**
 * All own keys of an object, enumerable or not. Returns null for a value that is not an object, for lists, and where a prototype has keys
 * too, which JSON would lose: an instance of a class may have conditions, but not inherit them.
 */
function keysOf(value: unknown): readonly PropertyKey[] | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  let parent = Object.getPrototypeOf(value) as object | null;
  while (parent !== null && Object.getPrototypeOf(parent) !== null) {
    if (Reflect.ownKeys(parent).some(key => key !== 'constructor')) return null;
    parent = Object.getPrototypeOf(parent) as object;
  }
  // The last prototype is Object.prototype of any realm, or an inherited object without a prototype.
  if (parent !== null && !Object.hasOwn(parent, 'hasOwnProperty')) return null;
  return Reflect.ownKeys(value);
}

function problemOf(key: string, value: unknown, { rule, give }: Rule): Problem {
  const isMissing = value === undefined || value === null;
  return { key, value, rule, remedy: isMissing ? `${give}, or leave the condition out` : give };
}

function unknownKey(key: string, value: unknown): Problem {
  return { key, value, rule: 'is not a condition', remedy: `the conditions are ${Object.keys(RULES).join(', ')}` };
}
