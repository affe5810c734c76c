import { z } from 'zod';

/** The longest name of an actor, in characters. */
const MAX_NAME = 200;

/**
 * The actor of a change: the holder of an admin token, or the application itself. A request to another node may carry it (the schema is
 * {@link auditActor}), so that the node that makes the change can record it.
 */
export interface AuditActor {
  /** The name of the token, the name that a guard of the application set, or `application`. */
  readonly who: string;
  /** Null where the guard of the application named no role. */
  readonly role: 'viewer' | 'operator' | 'application' | null;
  /** The address from which the change was requested; null for the application itself. */
  readonly from: string | null;
}

/** An actor in a request between nodes. */
export const auditActor = z.object({
  who: z.string().max(MAX_NAME),
  role: z.enum(['viewer', 'operator', 'application']).nullable(),
  from: z.string().max(MAX_NAME).nullable(),
});

/** The application itself, by a call of a public service. */
export const APPLICATION: AuditActor = { who: 'application', role: 'application', from: null };

/**
 * The result of a change. `unconfirmed`: its node did not confirm in time. `forbidden`: the role of the token forbids it. `refused` with a
 * reason is a change that was not made, and without one the refused requests of an address and a minute.
 */
export type AuditResult =
  'done' | 'not-found' | 'already-closing' | 'unconfirmed' | 'failed' | 'forbidden' | 'refused' | `refused: ${string}`;

/** A change, or an attempt. */
export interface AuditChange {
  /** The action: `kick`, `ban`, `lift-ban`, `heap-snapshot`. */
  readonly what: string;
  /** The object of the change: the id of a connection, a node or a ban. */
  readonly target: string;
  readonly result: AuditResult;
  /** The parameters of the request. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** What the change replaced, where it replaces a state: the limits, the ban, the state of the drain. */
  readonly before?: Readonly<Record<string, unknown>>;
  /** The state or the numbers that result. */
  readonly after?: Readonly<Record<string, unknown>>;
}

/**
 * Records changes in the audit trail. A port, for rules whose work outlives a request. Routes use `AdminAudit.record`. A change gets one
 * entry: on the node of the request, or on the node that makes the change, never on both.
 */
export abstract class AuditTrail {
  /** Never throws, and waits for nothing. */
  abstract recordFor(actor: AuditActor, change: AuditChange): void;
}
