import type { Connection } from '../connection/connection.js';
import type { InputQueue } from './message-queue.js';

/** A shorter pause is ordinary flow control, of which a busy client has hundreds in a second. The sweep finds one within another second. */
const NOTED_MS = 1000;

/** Notes that a connection is not read, once for each long pause. Called every second. */
export function notePause(connection: Connection, queue: InputQueue, now: number): void {
  if (!queue.isHeld || queue.isPauseNoted || now - queue.heldAt < NOTED_MS) return;
  queue.isPauseNoted = true;
  connection.note({ kind: 'paused', inFlight: connection.inFlight, bytes: queue.messages.bytes });
}

/** Notes the end of a pause that was noted. */
export function noteResume(connection: Connection, queue: InputQueue, now: number): void {
  if (!queue.isPauseNoted) return;
  queue.isPauseNoted = false;
  connection.note({ kind: 'resumed', pausedMs: Math.round(now - queue.heldAt) });
}
