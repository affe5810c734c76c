import type { Observable } from 'rxjs';

import type { Connection } from './connection.js';
import type { Outgoing } from './connection.types.js';
import type { BanNotice } from './heartbeat.events.js';
import type { Transport } from './transport.js';

/**
 * What lower layers, and rules of one layer among themselves, need of rules that they must not import. A port is a class, so that it is
 * its own injection token; `HeartbeatModule` binds each to its implementation.
 */

/** Decides which identities open connections may have. Implemented in `admission/`. */
export abstract class IdentityRule {
  /** A connection was opened with an identity: may close older connections of its user with 4502. */
  abstract opened(connection: Connection): void;
  /** An open connection has become another user's: may close it with 4501 or 1013, or older connections of that user with 4502. */
  abstract identified(connection: Connection): void;
}

/** Enforces bans on open connections. Implemented in `admission/`. */
export abstract class BanCheck {
  /**
   * Closes a connection that a ban meets, where the closes of a burst of bans have not reached it yet: none of its messages may be
   * handled meanwhile.
   */
  abstract closeIfBanned(connection: Connection): void;
}

/** The bans of this node, for their exchange with other nodes. Implemented in `admission/`. */
export abstract class BanStore {
  /** Adds a ban of another node, or gives a known one a later end; false if it is not a valid ban. */
  abstract add(ban: BanNotice): boolean;
  /** Removes a ban that another node has lifted. */
  abstract remove(id: string): void;
  /** Replaces a ban under a new id where it was extended here while another node lifted it: the extension is the later decision. */
  abstract renew(id: string): void;
  /** The bans in force; live. */
  abstract records(): Iterable<BanNotice>;
}

/** Connections of a user up to a serial, which newer connections on other nodes replace. */
export interface ReplacedConnections {
  readonly userId: string;
  readonly serial: number;
}

/** Agreement on the connections of users over all nodes together. Implemented in `cluster/`. */
export abstract class UserSlots {
  /** Whether slots have to be acquired from the cluster; otherwise each node keeps the limit by itself. */
  abstract readonly isShared: boolean;
  /** Connections that have to be closed because their user has too many on all nodes together. */
  abstract readonly replaced: Observable<ReplacedConnections>;
  /**
   * Acquires one more slot. Resolves with its release, to be called once: when a connection has taken the slot, or none will. Resolves
   * with null where the user has all its slots. Never rejects, and waits for a bounded time.
   */
  abstract acquire(userId: string): Promise<(() => void) | null>;
  /** Acquires the slot of a connection that is open already; resolves with false where it is one too many. Never rejects. */
  abstract acquireOpen(userId: string): Promise<boolean>;
}

/** What of input must end with a connection. Implemented in `flow/`. */
export abstract class InboundPolicy {
  /** Drops the messages of a connection that no handler has begun with. */
  abstract drop(connection: Connection): void;
}

/** What goes out, in which order, and how much of it may wait. Implemented in `flow/`. */
export abstract class OutboundPolicy {
  /**
   * Whether a message may be written now. All that comes before it has been written then, and it is counted among what waits: the
   * caller writes it at once. A message that finds no room is dropped; it may close the connection, or others.
   */
  abstract admits(connection: Connection, kind: Outgoing, bytes: number): boolean;
  /** A pong is about to be written; it is counted among what waits. */
  abstract beforePong(connection: Connection): void;
  /** Sends the messages to many that are under way to a connection. */
  abstract catchUp(connection: Connection): void;
  /** Sends a message to many, in slices. For each of them it comes before all that is sent to it later. */
  abstract broadcast(payload: string | Buffer, receivers: readonly Connection[]): void;
}

/** A transport that knows its connection; undefined before the opening and after the end. */
export interface TrackedTransport extends Transport {
  readonly tracked: Connection | undefined;
}
