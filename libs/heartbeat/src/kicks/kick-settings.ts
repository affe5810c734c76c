import type { Problem } from '../base/heartbeat.error.js';
import { badQuery, checkedCondition, type ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { BulkKickOptions, KickSelection } from './kick.types.js';

/** Maximum of ids of a selection. */
export const MAX_IDS = 1000;
/** Kicks a second of all nodes together, where none is given. */
export const DEFAULT_PER_SECOND = 1000;
export const MAX_PER_SECOND = 100_000;
/** Maximum length of the reason in a close frame, in bytes of UTF-8 (RFC 6455, section 5.5). */
export const MAX_REASON_BYTES = 123;
/** The longest id that a request between nodes may have. */
const MAX_ID_LENGTH = 300;

/** A selection that was checked. */
export type CheckedSelection = { readonly filter: ConnectionFilter } | { readonly ids: readonly string[] };

/**
 * The given selection, or an error. No selection is ever wider than it was given.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a filter without a condition, wrong ids, both or neither.
 */
export function checkedSelection({ filter, ids }: KickSelection): CheckedSelection {
  if ((filter === undefined) === (ids === undefined)) {
    const rule = 'must be given without the other of filter and ids';
    throw badQuery([{ key: 'filter', value: filter, rule, remedy: 'give a filter or ids' }]);
  }
  if (filter !== undefined) return { filter: checkedCondition(filter) };
  const rule = `must be a list of 1 to ${MAX_IDS} ids`;
  const remedy = 'give the ids of connections; for more of them give a filter';
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > MAX_IDS) {
    throw badQuery([{ key: 'ids', value: ids, rule, remedy }]);
  }
  const wrong = ids.findIndex(id => typeof id !== 'string' || id === '' || id.length > MAX_ID_LENGTH);
  if (wrong === -1) return { ids: [...new Set(ids as readonly string[])] };
  const key = `ids.${wrong}`;
  throw badQuery([{ key, value: ids[wrong], rule: 'must be the id of a connection', remedy: 'correct it' }]);
}

interface Rule {
  readonly holds: (value: unknown) => boolean;
  readonly rule: string;
}

const isWhole = (value: unknown, max: number) =>
  Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= max;
const RULES: Readonly<Record<keyof BulkKickOptions, Rule>> = {
  reason: {
    holds: value => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_REASON_BYTES,
    rule: `must be a text of 1 to ${MAX_REASON_BYTES} bytes of UTF-8`,
  },
  reconnect: { holds: value => typeof value === 'boolean', rule: 'must be true or false' },
  banForMs: {
    holds: value => isWhole(value, Number.MAX_SAFE_INTEGER),
    rule: 'must be a whole number of milliseconds above 0',
  },
  perSecond: {
    holds: value => isWhole(value, MAX_PER_SECOND),
    rule: `must be a whole number from 1 to ${MAX_PER_SECOND}`,
  },
};

/**
 * The options of the dry run and of the start as one; those of the start win.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` with every problem.
 */
export function checkedSettings(...given: readonly BulkKickOptions[]): BulkKickOptions {
  const problems: Problem[] = [];
  let merged: BulkKickOptions = {};
  for (const options of given) {
    const own = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [key, value] of own) {
      const rule = Object.hasOwn(RULES, key) ? RULES[key as keyof BulkKickOptions] : null;
      if (rule === null) {
        const remedy = `the options are ${Object.keys(RULES).join(', ')}`;
        problems.push({ key, value, rule: 'is not an option of a bulk kick', remedy });
      } else if (!rule.holds(value)) {
        problems.push({ key, value, rule: rule.rule, remedy: 'correct it, or leave it out' });
      }
    }
    merged = { ...merged, ...Object.fromEntries(own) };
  }
  if (merged.reconnect === true && merged.banForMs !== undefined) {
    const rule = 'must not be given with reconnect: a banned client cannot reconnect';
    problems.push({ key: 'banForMs', value: merged.banForMs, rule, remedy: 'leave one of the two out' });
  }
  if (problems.length > 0) throw badQuery(problems);
  return merged;
}
