import type { LoadSource } from '../node/load-state.js';
import type { DriftKind, MessageRefusal, ReapReason } from '../connection/heartbeat.events.js';

/**
 * All values of each label. They are bound at the start. So every series exists from the first scrape on, and no input of a client can
 * create another one.
 */

/** Every value of a union. The compiler checks that none is missing and none is unknown. */
const valuesOf = <Value extends string>(values: Readonly<Record<Value, true>>) => Object.keys(values) as Value[];

export const REAP_REASONS = valuesOf<ReapReason>({ idle: true, lifetime: true, unauthenticated: true });
export const MESSAGE_REFUSALS = valuesOf<MessageRefusal>({
  'not-json': true,
  'unknown-event': true,
  'too-big': true,
  rate: true,
  unfinished: true,
  protocol: true,
});
export const LOAD_SOURCES = valuesOf<LoadSource>({ 'event-loop': true, heap: true, memory: true, cpu: true });
export const DRIFT_KINDS = valuesOf<DriftKind>({
  registry: true,
  socket: true,
  index: true,
  listeners: true,
  disposers: true,
  streams: true,
  retained: true,
});
