import type { Clock } from '../../base/clock.js';
import type { ConnectionDetail, ConnectionView } from './connection-view.js';
import type { Connection } from '../connection.js';
import type { StallLog } from '../../node/stall-log.js';
import { flightOf, MAX_STALLS, pingsOf } from '../history/flight-record.js';
import { NEVER } from '../pulse.js';

type Moment = 'openedAt' | 'lastSeenAt' | 'lastMessageAt';

/** The facts of a view, with times of the clock. Texts are created when a view is requested. */
export type Facts = Omit<ConnectionView, 'id' | 'node' | Moment> & Readonly<Record<Moment, number>>;

/** The facts that a view needs beside the connection. */
export interface ViewContext {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly stalls: StallLog;
}

/** Converts a time to a text. */
type WallClock = Pick<Clock, 'wallTime'>;

/** The facts at `now`. */
export function factsOf(connection: Connection, now: number): Facts {
  const { pulse, channel } = connection;
  return {
    path: connection.path,
    ip: connection.ip,
    userId: connection.userId,
    labels: connection.labels,
    state: connection.state,
    openedAt: connection.openedAt,
    lastSeenAt: Math.trunc(pulse.seenAt(now, channel.bytesRead)),
    lastMessageAt: connection.lastMessageAt,
    rttMs: connection.rttMs,
    missedPongs: pulse.missed,
    bufferedBytes: channel.bytesWaiting,
    messagesIn: connection.messagesIn,
    messagesOut: connection.messagesOut,
    bytesIn: connection.bytesIn,
    bytesOut: connection.bytesOut,
    userAgent: connection.userAgent,
    appHeartbeat: connection.appHeartbeat,
    transport: connection.transport,
    busy: connection.inFlight + (connection.lifetime?.leases?.count(now) ?? 0),
    polling: connection.channel.polling !== undefined || undefined,
  };
}

/** The facts as a view, with the ids and with texts of the times. */
export function shown(id: string, nodeId: string, facts: Facts, clock: WallClock): ConnectionView {
  const { openedAt, lastSeenAt, lastMessageAt } = facts;
  // Written out, because V8 turns an object with so many members into a hash table when it is created by a spread or an assignment.
  const view: ConnectionView & { polling?: true | undefined } = {
    id,
    node: nodeId,
    path: facts.path,
    ip: facts.ip,
    userId: facts.userId,
    labels: facts.labels,
    state: facts.state,
    openedAt: clock.wallTime(openedAt).toISOString(),
    lastSeenAt: clock.wallTime(lastSeenAt).toISOString(),
    lastMessageAt: lastMessageAt === NEVER ? null : clock.wallTime(lastMessageAt).toISOString(),
    rttMs: facts.rttMs,
    missedPongs: facts.missedPongs,
    bufferedBytes: facts.bufferedBytes,
    messagesIn: facts.messagesIn,
    messagesOut: facts.messagesOut,
    bytesIn: facts.bytesIn,
    bytesOut: facts.bytesOut,
    userAgent: facts.userAgent,
    appHeartbeat: facts.appHeartbeat,
    transport: facts.transport,
    busy: facts.busy,
  };
  if (facts.polling) view.polling = true;
  return view;
}

/** A connection as a view. */
export function viewOf(connection: Connection, { nodeId, clock }: ViewContext): ConnectionView {
  return shown(connection.id, nodeId, factsOf(connection, clock.now()), clock);
}

export function detailOf(connection: Connection, context: ViewContext): ConnectionDetail {
  const { openedAt, flight: notes } = connection;
  const stalls = context.stalls.during(openedAt, Infinity, MAX_STALLS);
  const flight = flightOf(
    { openedAt, notes, pings: pingsOf(connection.pulse, connection.rttMs), stalls, closed: null },
    context.clock,
  );
  return { ...viewOf(connection, context), flight };
}
