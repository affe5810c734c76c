import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Sent } from './transport.js';

/** Reports to the caller of a send that its message was not admitted. */
export function reportDropped(sent: Sent | null | undefined): void {
  failLater(sent, dropped);
}

/**
 * The error is created when the callback runs. Otherwise the errors of a whole loop of sends would be in memory together, each with its
 * stack.
 */
export function failLater(sent: Sent | null | undefined, makeError: () => Error): void {
  if (typeof sent === 'function') process.nextTick(() => sent(makeError()));
}

function dropped(): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_MESSAGE_DROPPED', 'the message was not sent: the client takes them too slowly');
}
