import type { Closing } from './connection.types.js';

/** The known facts about the end of a connection. */
interface Closable {
  readonly closing: Closing | null;
}

/**
 * Connections whose client began the close, and which the server closed as well. They are so few that a field in each connection would cost
 * more.
 */
const CLOSED_BY_BOTH = new WeakSet<Closable>();

/**
 * Whether the server has begun to close a connection. Then no further message of its client is handled, whether or not the client answers
 * the close frame. Messages before a close of the client are handled.
 */
export function isSilenced(connection: Closable): boolean {
  const { closing } = connection;
  if (closing === null) return false;
  return closing.by === 'server' || closing.by === 'operator' || CLOSED_BY_BOTH.has(connection);
}

/** Silences a connection that its client was the first to close. */
export function silence(connection: Closable): void {
  if (!isSilenced(connection)) CLOSED_BY_BOTH.add(connection);
}
