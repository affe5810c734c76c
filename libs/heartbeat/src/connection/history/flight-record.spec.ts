import { describe, expect, it } from '@jest/globals';

import { type FlightNote, noteText } from './flight-note.js';
import { flightOf, type FlightRecord, withNote } from './flight-record.js';

const clock = { wallTime: (moment: number) => new Date(1_700_000_000_000 + moment) };

/** A record of these notes, one in each millisecond from 1 on. */
const recordOf = (notes: readonly FlightNote[]) =>
  notes.reduce<FlightRecord | null>((record, note, index) => withNote(record, index + 1, note), null);
const sentencesOf = (record: FlightRecord | null) => flightOf(0, record, clock).map(({ what }) => what);

describe('flightOf', () => {
  it('shows the opening of a connection without a note', () => {
    expect(flightOf(500, null, clock)).toEqual([{ at: '2023-11-14T22:13:20.500Z', what: 'opened' }]);
  });

  it('shows the notes after the opening, the oldest first, in wall time', () => {
    const record = withNote(withNote(null, 0, { kind: 'incomplete' }), 1500, { kind: 'kicked', by: 'ann' });
    expect(flightOf(0, record, clock)).toEqual([
      { at: '2023-11-14T22:13:20.000Z', what: 'opened' },
      { at: '2023-11-14T22:13:20.000Z', what: 'a message stayed unfinished' },
      { at: '2023-11-14T22:13:21.500Z', what: 'kicked by ann' },
    ]);
  });

  it.each<[FlightNote, string]>([
    [{ kind: 'missed', missed: 1, timeoutMs: 10_000 }, 'ping 1 unanswered for 10000 ms'],
    [{ kind: 'limit', limit: 'messages' }, 'too many messages'],
    [{ kind: 'limit', limit: 'pings' }, 'too many pings'],
    [{ kind: 'limit', limit: 'input' }, 'too much at once'],
    [{ kind: 'incomplete' }, 'a message stayed unfinished'],
    [
      { kind: 'full', bufferedBytes: 100, messages: 2, bytes: 30 },
      '100 bytes in 2 messages wait for it, and 30 more were to be sent',
    ],
    [{ kind: 'slow', bufferedBytes: 7, why: 'slow' }, '7 bytes waited for it (slow)'],
    [{ kind: 'slow', bufferedBytes: 7, why: 'total' }, '7 bytes waited for it (total)'],
    [{ kind: 'unread', bufferedBytes: 7 }, '7 bytes waited for it when it sent a ping'],
    [{ kind: 'error', message: 'bad frame' }, 'protocol or network error: bad frame'],
    [{ kind: 'kicked', by: 'ops' }, 'kicked by ops'],
  ])('describes %j', (note, sentence) => {
    expect(sentencesOf(recordOf([note]))).toEqual(['opened', sentence]);
  });
});

describe('withNote', () => {
  it('keeps the last 32', () => {
    const notes = Array.from({ length: 100 }, (_, missed) => ({ kind: 'missed', missed, timeoutMs: 1 }) as const);
    const entries = flightOf(0, recordOf(notes), clock);
    expect(entries.slice(1).map(({ what }) => what)).toEqual(sentencesOf(recordOf(notes.slice(-32))).slice(1));
    expect([entries.length, entries[1]?.at]).toEqual([33, clock.wallTime(69).toISOString()]);
  });

  it('leaves the previous record as it was, since a closed connection shares it', () => {
    const record = recordOf([{ kind: 'incomplete' }]);
    withNote(record, 2, { kind: 'kicked', by: 'ann' });
    expect(sentencesOf(record)).toEqual(['opened', 'a message stayed unfinished']);
  });
});

describe('noteText', () => {
  it.each([
    ['', ''],
    ['ann', 'ann'],
    ['x'.repeat(200), 'x'.repeat(200)],
    ['x'.repeat(201), `${'x'.repeat(200)}…`],
    ['ü'.repeat(5000), `${'ü'.repeat(200)}…`],
  ])('keeps at most 200 characters', (given, kept) => {
    expect(noteText(given)).toBe(kept);
  });
});
