import type { HeartbeatEvent } from '../connection/heartbeat.events.js';
import type { Attributes } from '../connection/listing/attribute-filter.js';
import { NO_LABELS } from '../base/identity.js';

/** Maximum length of an event in a stream. Only texts of the application or of clients (labels, paths) can make an event longer. */
export const MAX_TEXT = 65_536;

/**
 * An event as one line of JSON, for every stream that has it. JSON escapes line breaks, so that no text of a client can end the line.
 */
export function textOf(event: HeartbeatEvent, node: string): string {
  const at = new Date(event.at).toISOString();
  const text = JSON.stringify({ ...event, at, node });
  if (text.length <= MAX_TEXT) return text;
  const { type, seq } = event;
  const id = 'id' in event ? { id: event.id } : {};
  return JSON.stringify({ type, ...id, seq, at, node, omittedBytes: Buffer.byteLength(text) });
}

const NOTHING: Attributes = { userId: null, ip: null, path: null, transport: null, labels: NO_LABELS };

/**
 * The attributes by which filters select an event: those that its connection has at this moment, address and user of a refused upgrade, or
 * the target of a ban. An event of the node as a whole has none.
 * @param find An open connection by its id.
 */
export function attributesOf(event: HeartbeatEvent, find: (id: string) => Attributes | undefined): Attributes {
  switch (event.type) {
    case 'closed':
      return copyOf(event.connection);
    case 'refused':
      return { ...NOTHING, ip: event.ip, userId: event.userId ?? null };
    case 'banned': {
      const { kind, value } = event.ban;
      return { ...NOTHING, userId: kind === 'user' ? value : null, ip: kind === 'ip' ? value : null };
    }
    case 'unbanned':
      return NOTHING;
    default: {
      const found = 'id' in event ? find(event.id) : undefined;
      return found === undefined ? NOTHING : copyOf(found);
    }
  }
}

/** A copy, so that a history keeps no connection. */
function copyOf({ userId, ip, path, transport, labels }: Attributes): Attributes {
  return { userId, ip, path, transport, labels };
}
