import type { EventEmitter } from 'node:events';

import { guarded } from '../../connection/lifetime.js';

/**
 * Calls the listeners of an event as Node's `emit` does, each on its own: what one throws or rejects with is reported, and neither
 * reaches the code that emits nor keeps the other listeners from being called.
 */
export function emitGuarded(
  emitter: EventEmitter,
  event: string | symbol,
  given: readonly unknown[],
  failed: (error: unknown) => void,
): boolean {
  // With the wrappers of `once`, which take themselves off.
  const listeners = emitter.rawListeners(event);
  for (const listener of listeners) {
    guarded(
      () => Reflect.apply(listener, emitter, given),
      '',
      (_what, error) => failed(error),
    );
  }
  return listeners.length > 0;
}
