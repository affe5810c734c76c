/**
 * Milliseconds of the machine's monotonic clock. Unlike `performance.now()`, which starts at zero in each
 * process, it reads the same in all of them, so a moment seen by a child can be compared with the parent's.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
