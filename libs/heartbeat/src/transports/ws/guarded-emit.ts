import type { EventEmitter } from 'node:events';

import { guarded } from '../../connection/lifetime.js';

/**
 * Calls the listeners of an event as Node's `emit` does, each guarded: an error or rejection of one is reported. It neither reaches the
 * emitting code nor prevents the calls of other listeners.
 */
export function emitGuarded(
  emitter: EventEmitter,
  event: string | symbol,
  given: readonly unknown[],
  failed: (error: unknown) => void,
): boolean {
  // Includes the wrappers of `once`, which remove themselves.
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
