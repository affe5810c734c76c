import { describe, expect, it } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import type { FlightNote } from '../connection/history/flight-note.js';
import { emptyQueue } from './message-queue.js';
import { notePause, noteResume } from './reading-pause.js';

/** A connection whose messages wait since the time 5000. */
function paused() {
  const queue = emptyQueue({ bytes: 0, isKept: false });
  Object.assign(queue, { isHeld: true, heldAt: 5000 });
  queue.messages.push({ data: Buffer.alloc(100), isBinary: false });
  const notes: FlightNote[] = [];
  const connection = { inFlight: 64, note: (note: FlightNote) => notes.push(note) } as unknown as Connection;
  return { queue, notes, connection };
}

describe('a pause of reading', () => {
  it('is noted once, after a second, and so is its end', () => {
    const { queue, notes, connection } = paused();
    for (const now of [5100, 5999, 6000, 7000, 8000]) notePause(connection, queue, now);
    noteResume(connection, queue, 8200.4);
    expect(notes).toEqual([
      { kind: 'paused', inFlight: 64, bytes: queue.messages.bytes },
      { kind: 'resumed', pausedMs: 3200 },
    ]);
  });

  it('of less than a second is not noted', () => {
    const { queue, notes, connection } = paused();
    notePause(connection, queue, 5999);
    noteResume(connection, queue, 5999);
    expect(notes).toEqual([]);
  });

  it('is none while messages wait for their turn and the socket is read', () => {
    const { queue, notes, connection } = paused();
    queue.isHeld = false;
    notePause(connection, queue, 9000);
    expect(notes).toEqual([]);
  });
});
