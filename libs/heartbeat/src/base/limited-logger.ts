import { Logger } from '@nestjs/common';

import type { Clock } from './clock.js';
import { describeError, errorText } from './describe-error.js';
import { printable } from './printable.js';

/** Within this time a kind of line is logged once with its text. */
export const WINDOW_MS = 60_000;
/** Kinds that are counted separately; all other kinds share one count. */
const MAX_KINDS = 100;
const FURTHER = 'further kinds of log lines';

type Level = 'warn' | 'error';

/** The last line of a kind, and the number of lines that were left out since. */
interface Window {
  readonly level: Level;
  readonly since: number;
  leftOut: number;
}

/**
 * A logger for lines that a client can cause. A client cannot flood the log: each kind is logged once a minute with its text, and a count
 * of the lines left out follows at the end of that minute. Stacks are logged at the level `debug`. Texts of peers are escaped. At most 100
 * kinds are held at a time.
 */
export class LimitedLogger {
  readonly #logger: Logger;
  readonly #windows = new Map<string, Window>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** @param context The context of the lines, such as `Heartbeat`. */
  constructor(
    context: string,
    private readonly clock: Clock,
  ) {
    this.#logger = new Logger(context);
  }

  /**
   * Logs a warning unless one of this kind was logged within the last minute.
   * @param kind A short text that begins the line with the count: `authenticate failed`. There are few kinds.
   * @param error A thrown value. Its name and message are appended to the line; its stack is logged at the level `debug`.
   */
  warn(kind: string, text: string, error?: unknown): void {
    this.#log('warn', kind, text, error);
  }

  /** The same at the level `error`. */
  error(kind: string, text: string, error?: unknown): void {
    this.#log('error', kind, text, error);
  }

  /** Logs all counts and clears the timer. Later lines are still limited, but no counts are logged. */
  close(): void {
    this.#closed = true;
    this.#report(Infinity);
    this.#stop();
  }

  #log(level: Level, kind: string, text: string, error: unknown): void {
    const now = this.clock.now();
    const window = this.#windows.get(kind);
    if (window !== undefined && now - window.since < WINDOW_MS) {
      window.leftOut++;
      return this.#start(WINDOW_MS);
    }
    this.#report(now);
    if (this.#windows.size >= MAX_KINDS && kind !== FURTHER) return this.#log(level, FURTHER, text, error);
    this.#windows.set(kind, { level, since: now, leftOut: 0 });
    if (error === undefined) return this.#logger[level](printable(text));
    this.#logger[level](`${printable(text)}: ${errorText(error)}`);
    this.#logger.debug(`${printable(text)}: ${describeError(error)}`);
  }

  /** Logs the counts of the kinds whose minute is over, and removes these kinds. */
  #report(now: number): void {
    for (const [kind, { level, since, leftOut }] of this.#windows) {
      if (now - since < WINDOW_MS) continue;
      this.#windows.delete(kind);
      if (leftOut > 0) this.#logger[level](`${printable(kind)}: ${leftOut} more in ${WINDOW_MS / 1000} s, not shown`);
    }
  }

  /** One timer for all kinds; it runs only while a count waits to be logged. */
  #start(delayMs: number): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#stop();
      const now = this.clock.now();
      this.#report(now);
      const waiting = [...this.#windows.values()].filter(({ leftOut }) => leftOut > 0).map(({ since }) => since);
      if (waiting.length > 0) this.#start(Math.max(1000, Math.min(...waiting) + WINDOW_MS - now));
    }, delayMs);
    this.#timer.unref();
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
