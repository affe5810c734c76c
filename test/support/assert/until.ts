import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long {@link until} waits and what it says when it gave up. */
export interface UntilOptions {
  /** Longest wait in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** What was waited for; a function is asked at the end, so that it can name the last state. */
  readonly message?: string | (() => string);
}

/**
 * Polls every 5 ms until `condition` is truthy and resolves with what it returned. It uses the real clock and real timers,
 * also under jest's fake ones. A condition that throws ends the wait with that error: a broken probe is not a slow one.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5000, message = 'the condition' }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${typeof message === 'string' ? message : message()}`);
    }
    await sleep(5);
  }
}
