/** The promise of the server about silent peers: docs/guarantees.md, Liveness. */
export interface LivenessPromise {
  readonly intervalMs: number;
  readonly pongTimeoutMs: number;
  readonly missedPongs: number;
}

export const CONTRACT_PROMISE: LivenessPromise = { intervalMs: 25_000, pongTimeoutMs: 10_000, missedPongs: 2 };

const GRACE_MS = 1_000;
/** The last fault still needs its whole bound before the end, and a moment to be seen. */
const FAULTS_AND_SIGHT_MS = 2_000;
const SIGHT_MS = 1_000;

/** The longest time from a peer's last byte to the end of its socket. */
export function boundMs({ intervalMs, pongTimeoutMs, missedPongs }: LivenessPromise): number {
  return intervalMs + missedPongs * pongTimeoutMs + GRACE_MS;
}

/** The smallest `--seconds` in which every faulty client can be judged. */
export function smallestSeconds(promise: LivenessPromise): number {
  return Math.ceil((boundMs(promise) + FAULTS_AND_SIGHT_MS) / 1000);
}

/** Faults begin in the first half of the run, and early enough to be judged before its end. */
export function lastFaultMs(seconds: number, promise: LivenessPromise): number {
  const runMs = seconds * 1000;
  return Math.max(0, Math.min(runMs / 2, runMs - boundMs(promise) - SIGHT_MS));
}

/** Why `--seconds` is too short, `null` when it is not. */
export function shortRunProblem(seconds: number, promise: LivenessPromise): string | null {
  const smallest = smallestSeconds(promise);
  if (seconds >= smallest) return null;
  return (
    `--seconds is ${seconds} but must be at least ${smallest}, or no faulty client is due before the end ` +
    `(the server has ${boundMs(promise) / 1000} s to find one): give --seconds ${smallest}, or --silent 0 --stopped 0`
  );
}
