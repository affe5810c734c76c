import type { Clock } from '../../base/clock.js';
import type { Stall } from '../../node/stall-log.js';
import type { FlightEntry } from '../listing/connection-view.js';
import { NEVER, type Pulse } from '../pulse.js';
import type { CountedNote, FlightNote, FlightRow, PingSummary } from './flight-note.js';
import { sentenceOf } from './flight-sentences.js';

/** Maximum of entries after `opened`: enough for the last minutes, and few enough for a thousand closed connections. */
const CAPACITY = 32;
/** Maximum of stalls among them. */
export const MAX_STALLS = 8;
const OPENED: FlightRow = { kind: 'opened' };

/**
 * The last notes of one connection, the oldest first, as alternating monotonic times in milliseconds and notes. The array has exactly this
 * length, and is replaced and never changed, so that the record of a closed connection shares it. Null without a note.
 */
export type FlightRecord = readonly (number | FlightNote)[];

/** The record with another note, and without its oldest note where it is full. */
export function withNote(record: FlightRecord | null, at: number, note: FlightNote): FlightRecord {
  const before = record ?? [];
  if ('count' in note) return withCount(before, at, note);
  // `concat`, because an array that grows by a push or a spread keeps capacity for 17 values, three times what most records need.
  return (before.length < 2 * CAPACITY ? before : before.slice(2)).concat(at, note);
}

/** The first occurrence of a counted note counts the later ones, so that no flood allocates or replaces other notes. */
function withCount(record: FlightRecord, at: number, note: CountedNote): FlightRecord {
  const known = record.find(value => isSameCount(value, note)) as { count: number } | undefined;
  if (known === undefined) return record.slice(record.length < 2 * CAPACITY ? 0 : 2).concat(at, { ...note });
  known.count += note.count;
  return record;
}

/** The last note of one of these kinds; undefined without one. */
export function lastNote(record: FlightRecord | null, isWanted: (note: FlightNote) => boolean): FlightNote | undefined {
  return record?.findLast((value): value is FlightNote => typeof value !== 'number' && isWanted(value));
}

/** The answered pings of a connection, with the time of the last answer; null without one. */
export interface Pings extends PingSummary {
  readonly at: number;
}

/** The counts of answered pings: those of a `Pulse`, or a copy of them. Whole numbers, which V8 keeps without an allocation. */
export type PingCounts = Pick<
  Pulse<unknown>,
  'answered' | 'answeredAt' | 'minRttMicros' | 'maxRttMicros' | 'meanRttMicros'
>;

/** @param lastMs The last round trip; null while unknown. */
export function pingsOf(counts: Readonly<PingCounts>, lastMs: number | null): Pings | null {
  const { answered, answeredAt: at, minRttMicros, maxRttMicros, meanRttMicros } = counts;
  if (answered === 0) return null;
  return { at, answered, lastMs, minMs: ms(minRttMicros), maxMs: ms(maxRttMicros), meanMs: ms(meanRttMicros) };
}

function ms(micros: number): number | null {
  return micros === NEVER ? null : micros / 1000;
}

/** The parts of a flight record. */
export interface Flight {
  readonly openedAt: number;
  readonly notes: FlightRecord | null;
  readonly pings: Pings | null;
  /** At most `MAX_STALLS`. */
  readonly stalls: readonly Stall[];
  /** The entry of the close; null while the connection is open. */
  readonly closed: { readonly at: number; readonly row: FlightRow } | null;
}

/** The record of a connection for display, from its opening on: at most 32 further entries, the last ones. */
export function flightOf(
  { openedAt, notes, pings, stalls, closed }: Flight,
  clock: Pick<Clock, 'wallTime'>,
): FlightEntry[] {
  const rows: [at: number, row: FlightRow][] = [];
  let noted = 0;
  for (const value of notes ?? []) {
    if (typeof value === 'number') noted = value;
    else rows.push([noted, value]);
  }
  if (pings !== null) {
    const { at, ...summary } = pings;
    rows.push([at, { kind: 'pings', ...summary }]);
  }
  for (const { from, lostMs } of stalls)
    rows.push([Math.max(openedAt, from), { kind: 'stall', stalledMs: Math.round(lostMs) }]);
  rows.sort(([one], [other]) => one - other);
  if (closed !== null) rows.push([closed.at, closed.row]);
  return [[openedAt, OPENED] as const, ...rows.slice(-CAPACITY)].map(([at, row]) => entryOf(at, row, clock));
}

function entryOf(at: number, row: FlightRow, clock: Pick<Clock, 'wallTime'>): FlightEntry {
  return { at: clock.wallTime(at).toISOString(), what: sentenceOf(row), ...row };
}

function isSameCount(value: number | FlightNote, { kind, reason }: CountedNote): boolean {
  return typeof value !== 'number' && value.kind === kind && value.reason === reason;
}
