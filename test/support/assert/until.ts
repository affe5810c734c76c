import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** The deadline of {@link until} and its message afterwards. */
export interface UntilOptions {
  /** Longest wait in milliseconds, without the time in which the machine let its processes wait for a core. Default 5000. */
  readonly timeoutMs?: number;
  /** The condition in words; a function is called at the end, so that it can name the last state. */
  readonly message?: string | (() => string);
}

/** The pause between two calls of the condition; longer, up to the second figure, after one that took longer, such as an HTTP request. */
const PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;
/** A busy machine makes a wait at most so many times as long. */
const MOST_STRETCH = 6;

/**
 * Polls until `condition` is truthy and resolves with its value. It uses the real clock and real timers, also under jest's
 * fake ones. A condition that throws ends the wait with that error: a broken probe is not a slow one. A busy machine extends the
 * wait, so that it does not fail a test; on an idle one the deadline is `timeoutMs`.
 * @param stalledMs Time in which processes waited for a core, in milliseconds since any moment. Default: that of this machine.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5000, message = 'the condition' }: UntilOptions = {},
  stalledMs: () => number = machineStalledMs,
): Promise<NonNullable<T>> {
  const startedAt = performance.now();
  const stalledBefore = stalledMs();
  for (;;) {
    const calledAt = performance.now();
    const value = await condition();
    if (value) return value;
    const tookMs = performance.now() - calledAt;
    const waitedMs = performance.now() - startedAt;
    if (
      waitedMs >= timeoutMs &&
      waitedMs >= Math.min(MOST_STRETCH * timeoutMs, timeoutMs + stalledMs() - stalledBefore)
    ) {
      throw new Error(`waited ${Math.round(waitedMs)} ms for ${typeof message === 'string' ? message : message()}`);
    }
    await sleep(Math.min(Math.max(PAUSE_MS, tookMs), LONGEST_PAUSE_MS));
  }
}

/** Resolves when so much time has passed. */
export async function passed(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until(() => performance.now() >= end, { timeoutMs: ms + 1000 });
}

/**
 * Starts to measure what the machine costs: the returned function gives the milliseconds since then in which processes waited for a core.
 * A measured time may be longer by that; on an idle machine it is next to nothing.
 */
export function watchMachine(): () => number {
  const before = machineStalledMs();
  return () => machineStalledMs() - before;
}

/** Time in which at least one process waited for a core (proc(5), /proc/pressure/cpu); 0 where the kernel does not measure it. */
function machineStalledMs(): number {
  try {
    const [, total = '0'] = /^some .*total=(\d+)$/m.exec(readFileSync('/proc/pressure/cpu', 'utf8')) ?? [];
    return Number(total) / 1000;
  } catch {
    return 0;
  }
}
