import type { Observable } from 'rxjs';

import type { Connection } from './connection.js';
import type { Kick, Outgoing } from './connection.types.js';
import type { BanNotice } from './heartbeat.events.js';
import type { Transport } from './transport.js';

/**
 * Ports of rules that lower layers, or rules of the same layer, must not import. A port is a class, so that it is its own injection token.
 * `HeartbeatModule` binds each to its implementation.
 */

/** Decides which identities open connections may have. Implemented in `admission/`. */
export abstract class IdentityRule {
  /** A connection was opened with an identity. The rule may close older connections of its user with 4502. */
  abstract opened(connection: Connection): void;
  /** An open connection has a new user. The rule may close it with 4501 or 1013, or older connections of that user with 4502. */
  abstract identified(connection: Connection): void;
}

/** Enforces bans on open connections. Implemented in `admission/`. */
export abstract class BanCheck {
  /**
   * Closes a connection that a ban matches, where the closes of many bans have not reached it yet: none of its messages may be handled
   * meanwhile.
   */
  abstract closeIfBanned(connection: Connection): void;
}

/** Bans clients that are kicked. Implemented in `admission/`. */
export abstract class ClientBans {
  /**
   * Bans the user of a connection, or its address where it is anonymous. Returns false where it has neither: an anonymous client of a Unix
   * socket.
   * @param given The reason of the ban (default: `banned`), and its initiator.
   */
  abstract banClient(connection: Connection, forMs: number, given: Pick<Kick, 'reason' | 'by'>): boolean;
}

/** The bans of this node, for their exchange with other nodes. Implemented in `admission/`. */
export abstract class BanStore {
  /** Adds a ban of another node, or extends a known one. Returns false if it is not a valid ban. */
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
  /** Whether slots must be acquired from the cluster. Otherwise each node applies the limit alone. */
  abstract readonly isShared: boolean;
  /** Connections to close because their user has reached the limit on all nodes together. */
  abstract readonly replaced: Observable<ReplacedConnections>;
  /**
   * Acquires one more slot. Resolves with a function that releases it, to be called once: when a connection has taken the slot, or none
   * will. Resolves with null where the user has no free slot. Never rejects, and waits for a bounded time.
   */
  abstract acquire(userId: string): Promise<(() => void) | null>;
  /** Acquires the slot of a connection that is already open. Resolves with false where it exceeds the limit. Never rejects. */
  abstract acquireOpen(userId: string): Promise<boolean>;
  /**
   * Shares the counts of all users from now on, before a limit is set: resolves when other nodes can know all of them. Never rejects, and
   * waits for a bounded time. Without effect while they are shared.
   */
  abstract share(): Promise<void>;
  /** Withdraws the counts, after the limit was removed. */
  abstract unshare(): void;
}

/** The part of input handling that depends on the end of connections, and on drains. Implemented in `flow/`. */
export abstract class InboundPolicy {
  /** Drops the messages of a connection that no handler has begun. */
  abstract drop(connection: Connection): void;
  /** Whether a message has begun whose handlers have not all ended. */
  abstract hasBegun(connection: Connection): boolean;
  /**
   * Begins no further message of a connection until `resume`. Its socket is still read, for control frames, a close of the client and the
   * application heartbeat; messages wait. Handlers of messages that have begun continue.
   */
  abstract suspend(connection: Connection): void;
  abstract resume(connection: Connection): void;
}

/** Controls outgoing messages: their order, and the amount that may be buffered. Implemented in `flow/`. */
export abstract class OutboundPolicy {
  /** Bytes that waited for all connections together at the last check. */
  abstract readonly bufferedBytes: number;
  /**
   * Whether a message may be written now. If so, earlier messages have been written, it is counted as waiting, and the caller writes it at
   * once. A message above a limit is dropped; it may close this connection, or others.
   */
  abstract admits(connection: Connection, kind: Outgoing, bytes: number): boolean;
  /** Called before a pong is written, which is counted as waiting. */
  abstract beforePong(connection: Connection): void;
  /** Sends pending broadcasts to a connection. */
  abstract catchUp(connection: Connection): void;
  /** Sends a message to many connections, in slices. Each receives it before all later messages to it. */
  abstract broadcast(payload: string | Buffer, receivers: readonly Connection[]): void;
}

/** A transport with a reference to its connection; undefined before the opening and after the end. */
export interface TrackedTransport extends Transport {
  readonly tracked: Connection | undefined;
}
