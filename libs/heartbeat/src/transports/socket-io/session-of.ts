import type { Connection } from '../../connection/connection.js';
import type { EngineSession } from './engine-fields.js';
import type { IoSession } from './io-session.js';

const SESSION = Symbol('heartbeat session');

interface Carrier {
  [SESSION]?: IoSession;
}

/** Stores the transport with its session, so that no event needs a lookup. */
export function carry(session: EngineSession, transport: IoSession): void {
  (session as Carrier)[SESSION] = transport;
}

/** The transport of a session; undefined where its server is not tracked. */
export function sessionOf(session: EngineSession | undefined): IoSession | undefined {
  return (session as Carrier | undefined)?.[SESSION];
}

/** The connection of a client of Socket.IO; undefined for any other value. */
export function connectionOfClient(client: unknown): Connection | undefined {
  return sessionOf((client as { readonly conn?: EngineSession } | null | undefined)?.conn)?.tracked;
}
