import { monotonicMs } from './clock.js';
import { Fleet } from './fleet.js';
import type { ParentMessage } from './messages.js';

/** A child process: one fleet, one tick for all its clients, and a line to the parent. */
const TICK_MS = 25;
const TELL_EVERY_MS = 250;
/** How long the server has to answer our close frames before its sockets are cut. */
const LEAVE_WITHIN_MS = 3_000;

let fleet: Fleet | null = null;
let tickedAt = monotonicMs();
let toldAt = tickedAt;
let leaveBy = Number.POSITIVE_INFINITY;

// Ctrl-C reaches the whole group of processes; the parent decides what it means.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', receive);
const timer = setInterval(tick, TICK_MS);

function receive(message: ParentMessage): void {
  const now = monotonicMs();
  switch (message.kind) {
    case 'open':
      fleet = new Fleet(message.order, now);
      break;
    case 'run':
      fleet?.run(message.startedAt);
      break;
    case 'release':
      fleet?.release(message.indices);
      break;
    case 'finish':
      fleet?.finish(now);
      leaveBy = now + LEAVE_WITHIN_MS;
      break;
  }
}

function tick(): void {
  const now = monotonicMs();
  const lateMs = now - tickedAt - TICK_MS;
  tickedAt = now;
  if (fleet === null) return;
  fleet.tick(now, lateMs);
  if (leaveBy !== Number.POSITIVE_INFINITY) {
    if (fleet.empty || now >= leaveBy) leave(fleet);
  } else if (now - toldAt >= TELL_EVERY_MS) {
    toldAt = now;
    process.send?.(fleet.takeMessage(false));
  }
}

/** Ends once the last words are on their way; the sockets that are left go with the process. */
function leave(emptied: Fleet): void {
  clearInterval(timer);
  process.send?.(emptied.takeMessage(true), () => process.exit(0));
}
