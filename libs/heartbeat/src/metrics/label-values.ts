import type { DriftKind, LoadSource, MessageRefusal, ReapReason } from '../connection/heartbeat.events.js';

/**
 * All values that each label may have. They are bound at the start, so every series exists from the first scrape on, and
 * nothing that a client sends can make another.
 */

/** Every word of a union, complete by the compiler: one that is forgotten or unknown does not build. */
const wordsOf = <Word extends string>(words: Readonly<Record<Word, true>>) => Object.keys(words) as Word[];

export const REAP_REASONS = wordsOf<ReapReason>({ idle: true, lifetime: true, unauthenticated: true });
export const MESSAGE_REFUSALS = wordsOf<MessageRefusal>({
  'not-json': true,
  'unknown-event': true,
  'too-big': true,
  rate: true,
  unfinished: true,
  protocol: true,
});
export const LOAD_SOURCES = wordsOf<LoadSource>({ 'event-loop': true, heap: true, memory: true, cpu: true });
export const DRIFT_KINDS = wordsOf<DriftKind>({
  registry: true,
  socket: true,
  index: true,
  listeners: true,
  disposers: true,
  streams: true,
  retained: true,
});
