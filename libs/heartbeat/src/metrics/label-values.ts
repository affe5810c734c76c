import { type ClosedBy, CloseCodes } from '../close-code.js';
import type { DriftKind, LoadSource, MessageRefusal, ReapReason } from '../heartbeat.events.js';

/**
 * All values that each label may have. They are bound at the start, so every series exists from the first scrape on, and
 * nothing that a client sends can make another.
 */

/** Every word of a union, complete by the compiler: one that is forgotten or unknown does not build. */
const wordsOf = <Word extends string>(words: Readonly<Record<Word, true>>) => Object.keys(words) as Word[];

export const CLOSED_BY = wordsOf<ClosedBy>({ client: true, server: true, operator: true, network: true });
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
  retained: true,
});

/** Codes of RFC 6455, section 7.4.1, and of its registry at IANA, that a close can really have. */
const STANDARD_CODES = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const KNOWN_CODES = new Set([...STANDARD_CODES, ...Object.values(CloseCodes).map(({ code }) => code)]);
const OTHER = 'other';

export const CODE_LABELS: readonly string[] = [
  ...[...KNOWN_CODES].toSorted((one, next) => one - next).map(String),
  OTHER,
];

/** The label of a close code; all that a client may think of are one. */
export function codeLabel(code: number): string {
  return KNOWN_CODES.has(code) ? String(code) : OTHER;
}
