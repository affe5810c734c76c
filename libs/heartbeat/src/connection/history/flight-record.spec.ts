import { describe, expect, it } from '@jest/globals';

import { Pulse } from '../pulse.js';
import { type FlightNote, noteText, REFUSED } from './flight-note.js';
import { type Flight, flightOf, type FlightRecord, lastNote, pingsOf, withNote } from './flight-record.js';

const clock = { wallTime: (moment: number) => new Date(1_700_000_000_000 + moment) };
const EMPTY: Flight = { openedAt: 0, notes: null, pings: null, stalls: [], closed: null };

/** A record of these notes, one in each millisecond from 1 on. */
const recordOf = (notes: readonly FlightNote[]) =>
  notes.reduce<FlightRecord | null>((record, note, index) => withNote(record, index + 1, note), null);
const entriesOf = (notes: FlightRecord | null) => flightOf({ ...EMPTY, notes }, clock);
const sentencesOf = (record: FlightRecord | null) => entriesOf(record).map(({ what }) => what);
const missed = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ kind: 'missed', missed: index, timeoutMs: 1 }) as const);

describe('flightOf', () => {
  it('shows the opening of a connection without a note', () => {
    expect(flightOf({ ...EMPTY, openedAt: 500 }, clock)).toEqual([
      { at: '2023-11-14T22:13:20.500Z', what: 'opened', kind: 'opened' },
    ]);
  });

  it('shows the notes after the opening, the oldest first, in wall time and with their values', () => {
    const record = withNote(withNote(null, 0, { kind: 'incomplete' }), 1500, { kind: 'kicked', by: 'ann' });
    expect(entriesOf(record)).toEqual([
      { at: '2023-11-14T22:13:20.000Z', what: 'opened', kind: 'opened' },
      { at: '2023-11-14T22:13:20.000Z', what: 'a message stayed unfinished', kind: 'incomplete' },
      { at: '2023-11-14T22:13:21.500Z', what: 'kicked by ann', kind: 'kicked', by: 'ann' },
    ]);
  });

  it('merges pings and stalls by their times, and ends with the close', () => {
    const flight: Flight = {
      openedAt: 100,
      notes: recordOf([{ kind: 'incomplete' }]),
      pings: { at: 900, answered: 1, lastMs: 5, minMs: 5, maxMs: 5, meanMs: 5 },
      stalls: [
        { from: 50, to: 700, lostMs: 600 },
        { from: 950, to: 1600, lostMs: 600.4 },
      ],
      closed: { at: 1000, row: { kind: 'closed', code: 1000, reason: '', by: 'client' } },
    };
    expect(flightOf(flight, clock).map(({ at, what }) => [Date.parse(at) - 1_700_000_000_000, what])).toEqual([
      [100, 'opened'],
      [1, 'a message stayed unfinished'],
      [100, 'the server was stalled for 600 ms'],
      [900, '1 ping answered; round trip 5 ms, from 5 to 5 ms, 5 ms on average'],
      [950, 'the server was stalled for 600 ms'],
      [1000, 'closed with 1000 by the client'],
    ]);
  });

  it('shows at most 32 entries after the opening: the last ones', () => {
    const pings = { at: 1, answered: 1, lastMs: 5, minMs: 5, maxMs: 5, meanMs: 5 };
    const closed = { at: 40, row: { kind: 'closed', code: 1000, reason: '', by: 'client' } } as const;
    const kinds = flightOf({ ...EMPTY, notes: recordOf(missed(32)), pings, closed }, clock).map(({ kind }) => kind);
    expect(kinds).toEqual(['opened', ...Array.from({ length: 31 }, () => 'missed'), 'closed']);
  });
});

describe('withNote', () => {
  it('keeps the last 32', () => {
    const notes = missed(100);
    const entries = entriesOf(recordOf(notes));
    expect(entries.slice(1).map(({ what }) => what)).toEqual(sentencesOf(recordOf(notes.slice(-32))).slice(1));
    expect([entries.length, entries[1]?.at]).toEqual([33, clock.wallTime(69).toISOString()]);
  });

  it('leaves the previous record as it was, since a closed connection shares it', () => {
    const record = recordOf([{ kind: 'incomplete' }]);
    withNote(record, 2, { kind: 'kicked', by: 'ann' });
    expect(sentencesOf(record)).toEqual(['opened', 'a message stayed unfinished']);
  });

  it('counts refused messages in one note for each reason, without an allocation', () => {
    const first = withNote(withNote(null, 1, REFUSED['not-json']), 2, REFUSED['unknown-event']);
    let record = first;
    for (let at = 3; at < 1000; at++) record = withNote(record, at, REFUSED['not-json']);
    expect(record).toBe(first);
    expect(sentencesOf(record)).toEqual([
      'opened',
      '998 messages refused: not-json',
      '1 message refused: unknown-event',
    ]);
    expect(REFUSED['not-json']).toMatchObject({ count: 1 });
  });
});

describe('lastNote', () => {
  it('is the last that is wanted', () => {
    const record = recordOf(missed(3));
    expect(lastNote(record, ({ kind }) => kind === 'missed')).toMatchObject({ missed: 2 });
    expect(lastNote(record, () => false)).toBeUndefined();
    expect(lastNote(null, () => true)).toBeUndefined();
  });
});

/** A pulse with these round trips; null for an unknown one. */
function pulseOf(rtts: readonly (number | null)[]) {
  const pulse = new Pulse('owner', 0, 0, 0);
  for (const [index, rttMs] of rtts.entries()) {
    pulse.ponged(index + 0.5);
    if (rttMs !== null) pulse.measured(rttMs);
  }
  return pulse;
}

function summaryOf(rtts: readonly (number | null)[]) {
  const pulse = pulseOf(rtts);
  return pingsOf(pulse, pulse.rttMs);
}

describe('pingsOf', () => {
  it.each([
    ['no ping', [], null],
    ['one', [12.5], { at: 0, answered: 1, lastMs: 12.5, minMs: 12.5, maxMs: 12.5, meanMs: 12.5 }],
    ['several', [10, 30, 20], { at: 2, answered: 3, lastMs: 20, minMs: 10, maxMs: 30, meanMs: 20 }],
    ['unknown round trips', [null, null], { at: 1, answered: 2, lastMs: null, minMs: null, maxMs: null, meanMs: null }],
    ['an unknown first one', [null, 8], { at: 1, answered: 2, lastMs: 8, minMs: 8, maxMs: 8, meanMs: 8 }],
  ])('summarises %s', (_what, rtts, expected) => {
    expect(summaryOf(rtts)).toEqual(expected);
  });

  it('has the mean of the last 64 round trips, approximately', () => {
    const rtts = Array.from({ length: 1000 }, (_, index) => (index < 500 ? 10 : 50));
    const { meanMs = 0 } = summaryOf(rtts) ?? {};
    expect(meanMs).toBeGreaterThan(49.5);
    expect(meanMs).toBeLessThanOrEqual(50);
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
