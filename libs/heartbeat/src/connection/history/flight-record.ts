import type { Clock } from '../../base/clock.js';
import type { FlightEntry } from '../listing/connection-view.js';
import { type FlightNote, sentenceOf } from './flight-note.js';

/** Maximum of notes of a connection: enough for its last minutes, and few enough for a thousand closed connections. */
const CAPACITY = 32;
const OPENED: FlightNote = { kind: 'opened' };

/**
 * The last notes of one connection, the oldest first, as alternating monotonic times in milliseconds and notes. The array has exactly this
 * length, and is replaced and never changed, so that the record of a closed connection shares it. Null without a note.
 */
export type FlightRecord = readonly (number | FlightNote)[];

/** The record with another note, and without its oldest note where it is full. */
export function withNote(record: FlightRecord | null, at: number, note: FlightNote): FlightRecord {
  const before = record ?? [];
  // `concat`, because an array that grows by a push or a spread keeps capacity for 17 values, three times what most records need.
  return (before.length < 2 * CAPACITY ? before : before.slice(2)).concat(at, note);
}

/** The record of a connection for display, from its opening on. */
export function flightOf(openedAt: number, record: FlightRecord | null, clock: Pick<Clock, 'wallTime'>): FlightEntry[] {
  const entries: FlightEntry[] = [];
  let at = openedAt;
  for (const value of [OPENED, ...(record ?? [])]) {
    if (typeof value === 'number') at = value;
    else entries.push({ at: clock.wallTime(at).toISOString(), what: sentenceOf(value) });
  }
  return entries;
}
