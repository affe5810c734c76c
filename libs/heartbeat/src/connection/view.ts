import type { Clock } from '../clock.js';
import type { ClosedView, ConnectionDetail, ConnectionView } from '../connection-view.js';
import type { Closing } from './connection-words.js';
import type { Connection } from './connection.js';
import { NEVER } from './pulse.js';

/** What a view needs to know beside the connection. */
export interface ViewContext {
  readonly nodeId: string;
  readonly clock: Clock;
}

/** A connection as it is shown. */
export function viewOf(connection: Connection, { nodeId, clock }: ViewContext): ConnectionView {
  const { pulse, lastMessageAt, socket } = connection;
  return {
    id: connection.id,
    node: nodeId,
    path: connection.path,
    ip: connection.ip,
    userId: connection.userId,
    labels: connection.labels,
    state: connection.state,
    openedAt: clock.wallTime(connection.openedAt).toISOString(),
    lastSeenAt: clock.wallTime(connection.seenAt(clock.now())).toISOString(),
    lastMessageAt: lastMessageAt === NEVER ? null : clock.wallTime(lastMessageAt).toISOString(),
    rttMs: connection.rttMs,
    missedPongs: pulse.missed,
    bufferedBytes: socket.bufferedAmount,
    messagesIn: connection.messagesIn,
    messagesOut: connection.messagesOut,
    bytesIn: connection.bytesIn,
    bytesOut: connection.bytesOut,
    userAgent: connection.userAgent,
    appHeartbeat: connection.appHeartbeat,
  };
}

export function detailOf(connection: Connection, context: ViewContext): ConnectionDetail {
  return { ...viewOf(connection, context), flight: flightOf(connection, context) };
}

/** A connection that has just ended, as it will be remembered. */
export function closedViewOf(connection: Connection, closing: Closing, context: ViewContext): ClosedView {
  const now = context.clock.now();
  // Not spread: V8 makes a hash table of an object with so many members that comes to be in that way, ten times as large.
  return Object.assign(viewOf(connection, context), {
    closedAt: context.clock.wallTime(now).toISOString(),
    durationMs: Math.round(now - connection.openedAt),
    code: closing.code,
    reason: closing.reason,
    closedBy: closing.by,
    flight: flightOf(connection, context),
  });
}

function flightOf(connection: Connection, { clock }: ViewContext) {
  const opened = { at: clock.wallTime(connection.openedAt).toISOString(), what: 'opened' };
  return connection.flight === null ? [opened] : [opened, ...connection.flight.entries(clock)];
}
