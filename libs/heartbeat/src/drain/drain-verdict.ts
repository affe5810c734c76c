/** Time that the end of a process may take after its drain: docs/guarantees.md, Drain. */
export const END_MS = 1000;

/** The parts of a drain in milliseconds, one after another. */
export interface PartsOfDrain {
  readonly readinessDelayMs: number;
  readonly spreadMs: number;
  readonly workTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/** The time that a drain must fit into, in milliseconds. */
export interface DrainBounds {
  readonly deadlineMs: number;
  /** The time that the orchestrator leaves to the whole process; null where it is unknown or has no end. */
  readonly graceMs: number | null;
}

/** Whether a drain fits into its bounds. */
export interface DrainVerdict {
  readonly fits: boolean;
  /** The time by which it is too long for the tighter of its bounds; 0 where it fits. */
  readonly excessMs: number;
}

/** The longest time that the parts take together. */
export function sumOf({ readinessDelayMs, spreadMs, workTimeoutMs, closeTimeoutMs }: PartsOfDrain): number {
  return readinessDelayMs + spreadMs + workTimeoutMs + closeTimeoutMs;
}

/** Compares the longest duration of a drain with its deadline, and with the orchestrator's grace less the end of the process. */
export function verdictOf(estimatedMs: number, { deadlineMs, graceMs }: DrainBounds): DrainVerdict {
  const excessMs = Math.max(0, estimatedMs - deadlineMs, estimatedMs - (endOf(graceMs) ?? estimatedMs));
  return { fits: excessMs === 0, excessMs };
}

/** One sentence for each bound that a drain exceeds, with the remedy. */
export function misfitOf(estimatedMs: number, { deadlineMs, graceMs }: DrainBounds): string {
  const end = endOf(graceMs);
  const faults = [`The drain may take ${estimatedMs} ms.`];
  if (estimatedMs > deadlineMs) {
    const excess = `${estimatedMs - deadlineMs} ms more than deadlineMs (${deadlineMs})`;
    faults.push(`That is ${excess}: raise deadlineMs, or lower spreadMs and workTimeoutMs.`);
  }
  if (end !== null && estimatedMs > end) {
    const excess = `${estimatedMs - end} ms more than the orchestrator's grace of ${graceMs} ms leaves`;
    faults.push(
      `That is ${excess} (${END_MS} ms are for the end of the process): lower spreadMs and workTimeoutMs, or raise the grace.`,
    );
  }
  faults.push('"force": true drains all the same.');
  return faults.join(' ');
}

/** The latest end of a drain within the grace. */
function endOf(graceMs: number | null): number | null {
  return graceMs === null ? null : Math.max(0, graceMs - END_MS);
}
