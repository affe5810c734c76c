import type { NodeAnswer } from '../cluster/cluster-answers.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import type { ClosedView, ConnectionView } from '../connection/listing/connection-view.js';

/** Answer of `GET connections`. */
export interface ConnectionList {
  readonly items: readonly ConnectionView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** How many match the filter, on all pages. */
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
  /** Only while Redis is lost: the other nodes are out of sight. */
  readonly degraded?: true;
}

/** Answer of `GET nodes`, the asked one first. */
export interface NodeList {
  readonly items: readonly ClusterNode[];
  /** Only while Redis is lost: the other nodes are out of sight. */
  readonly degraded?: true;
}

/** A ban as it is shown. */
export interface BanView {
  readonly id: string;
  readonly kind: 'user' | 'ip' | 'cidr';
  readonly value: string;
  readonly reason: string;
  readonly expiresAt: string;
}

/** Answer of `GET bans`: those in force, as every node knows them. */
export interface BanPage {
  /** In the order of their ids, which is about that of their making. */
  readonly items: readonly BanView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** How many match the filter, on all pages. */
  readonly total: number;
}

/** Answer of `POST bans`. */
export interface BanAnswer extends BanView {
  /** Connections of the queried node whose close has begun; those of other nodes follow within a second. */
  readonly closed: number;
}

/** Answer of `DELETE bans/:id`. */
export interface LiftAnswer {
  readonly id: string;
  readonly lifted: true;
}

/** Answer of `DELETE connections/:id`. */
export interface KickAnswer {
  readonly id: string;
  readonly node: string;
  /** Whether the close has begun; false when its node did not say so in time, and then it may or may not happen. */
  readonly closing: boolean;
  readonly confirmed?: false;
}

/** Answer of `GET closed`. */
export interface ClosedList {
  readonly items: readonly ClosedView[];
  readonly nextCursor: string | null;
}

/** What an answer says more while Redis is lost. */
export function degradedIf(isDegraded: boolean): { readonly degraded?: true } {
  return isDegraded ? { degraded: true } : {};
}
