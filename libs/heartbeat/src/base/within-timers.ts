/** A delay that Node's timers accept: a longer one would make them fire at once. */
export function withinTimers(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
