import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { ConnectionView } from '../connection/listing/connection-view.js';

/** The connections of a bulk kick: those that match a filter with at least one condition, or those with these ids; never both. */
export interface KickSelection {
  readonly filter?: ConnectionFilter;
  /** 1 to 1,000 ids of connections, of any nodes. */
  readonly ids?: readonly string[];
}

/** The manner of a bulk kick. */
export interface BulkKickOptions {
  /** The reason in the close frame, at most 123 bytes of UTF-8. Default: `kicked`, or `reconnect`. */
  readonly reason?: string;
  /** True closes with 4005 and an advised delay instead of 4500. Not beside `banForMs`. Default: false. */
  readonly reconnect?: boolean;
  /** Bans the user of each kicked connection for this long, or its address where it is anonymous. Default: no ban. */
  readonly banForMs?: number;
  /** Kicks a second of all nodes together, from 1 to 100,000. Default: 1,000. */
  readonly perSecond?: number;
}

/** The result of a dry run: the connections that the token is bound to. */
export interface KickPlan {
  readonly matched: number;
  /** The matches among all connections of the nodes that replied, from 0 to 1. */
  readonly share: number;
  /** The nodes that replied. */
  readonly byNode: readonly { readonly node: string; readonly matched: number }[];
  /** Ids of nodes that did not reply. Their connections are not part of the token. */
  readonly silent: readonly string[];
  /** At most 10 of the matches, of all nodes in turn. */
  readonly sample: readonly ConnectionView[];
  /** Starts the kick of these connections, once. */
  readonly token: string;
  readonly expiresAt: Date;
}

/**
 * The outcome of a start. `started`: the job runs. `already-started`: the token was taken before, and `job` is its job. `unknown-token`: it
 * has expired, or never was.
 */
export type KickStart =
  { readonly outcome: 'started' | 'already-started'; readonly job: string } | { readonly outcome: 'unknown-token' };

/** Numbers of connections of a bulk kick. */
export interface KickCounts {
  /** Connections whose close it has begun. */
  readonly closed: number;
  /** Connections that had ended, or were closing already. */
  readonly gone: number;
  /** Connections whose close threw an error. */
  readonly failed: number;
  /** Bans that it has made. */
  readonly bans: number;
}

/** The share of one node in a bulk kick. */
export interface KickJobNode extends KickCounts {
  readonly node: string;
  /** `waiting`: it has not begun. `lost`: the node ended before its share, or has lost its list. */
  readonly state: 'waiting' | 'running' | 'stopped' | 'done' | 'lost';
  readonly matched: number;
  /** The rest of a share that is lost. */
  readonly lost: number;
}

/** Progress or result of a bulk kick. The numbers of other nodes are at most some seconds old. */
export interface KickJob extends KickCounts {
  readonly job: string;
  /** `stopped` from the request to stop on, except where every share had ended. */
  readonly state: 'running' | 'stopped' | 'done';
  readonly matched: number;
  readonly lost: number;
  /** Kicks a second of all nodes together. */
  readonly perSecond: number;
  readonly startedAt: Date;
  /** Null until every share has ended. */
  readonly endedAt: Date | null;
  readonly nodes: readonly KickJobNode[];
}
