import { openSync, readSync } from 'node:fs';

/**
 * Of the thread that opens it, in nanoseconds: its CPU time, and how long it waited for a core (the kernel's
 * Documentation/scheduler/sched-stats.rst). It stays open as long as the process.
 */
const FILE = open('/proc/thread-self/schedstat');
const TEXT = Buffer.alloc(128);

/** How long this thread was ready to run and had no core, since its start, in milliseconds; always 0 where it is unknown. */
export function coreWaitMs(): number {
  if (FILE === null) return 0;
  const length = readSync(FILE, TEXT, 0, TEXT.length, 0);
  return (Number(TEXT.toString('latin1', 0, length).split(' ')[1]) || 0) / 1e6;
}

function open(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch {
    return null;
  }
}
