import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Sent } from './transport.js';

/** Reports to the caller of a send that its message was not admitted. */
export function reportDropped(sent: Sent | null | undefined): void {
  failLater(sent, dropped);
}

/** The error is made when the callback runs: errors of a whole loop of sends would wait together, each with its stack. */
export function failLater(sent: Sent | null | undefined, makeError: () => Error): void {
  if (typeof sent === 'function') process.nextTick(() => sent(makeError()));
}

function dropped(): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_MESSAGE_DROPPED', 'the message was not sent: the client takes them too slowly');
}
