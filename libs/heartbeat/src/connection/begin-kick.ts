import { CloseCodes } from '../protocol/close-code.js';
import type { NodeState } from '../node/node-state.js';
import type { Connection } from './connection.js';
import type { Closing, Kick } from './connection.types.js';
import type { HeartbeatEvents } from './heartbeat.events.js';
import { noteText } from './history/flight-note.js';

export type KickStart = 'closing' | 'already-closing' | 'not-found';

/** Begins to close a connection with 4500, or with 4005 where it may reconnect. */
export function beginKick(
  connection: Connection | undefined,
  { reason, reconnect = false, by = 'application' }: Kick,
  { node, events }: { readonly node: NodeState; readonly events: HeartbeatEvents },
): KickStart {
  if (connection === undefined) return 'not-found';
  const { code, name } = reconnect ? CloseCodes.reconnect : CloseCodes.kicked;
  const closing: Closing = { code, reason: reason ?? name, by: 'operator' };
  const retryAfterMs = reconnect ? node.retryAfterMs() : undefined;
  if (!connection.end(closing, { kind: 'kicked', by: noteText(by) }, retryAfterMs)) return 'already-closing';
  events.announce({ type: 'kicked', id: connection.id, by, reason: closing.reason, code });
  return 'closing';
}
