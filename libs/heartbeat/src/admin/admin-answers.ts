import type { NodeAnswer } from '../messaging/node-answers.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import type { ClosedView, ConnectionView } from '../connection/listing/connection-view.js';

/** The response of `GET connections`. */
export interface ConnectionList {
  readonly items: readonly ConnectionView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** Number of matches, on all pages. */
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
  /** Only while Redis is lost, when other nodes cannot be reached. */
  readonly degraded?: true;
}

/** The response of `GET nodes`; the queried node is first. */
export interface NodeList {
  readonly items: readonly ClusterNode[];
  /** Only while Redis is lost, when other nodes cannot be reached. */
  readonly degraded?: true;
}

/** A ban in a response. */
export interface BanView {
  readonly id: string;
  readonly kind: 'user' | 'ip' | 'cidr';
  readonly value: string;
  readonly reason: string;
  readonly expiresAt: string;
}

/** The response of `GET bans`: the bans in force, which every node knows. */
export interface BanPage {
  /** In the order of their ids, approximately that of their creation. */
  readonly items: readonly BanView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** Number of matches, on all pages. */
  readonly total: number;
}

/** The response of `POST bans`. */
export interface BanAnswer extends BanView {
  /** Connections of the queried node whose close has begun; those of other nodes follow within a second. */
  readonly closed: number;
}

/** The response of `DELETE bans/:id`. */
export interface LiftAnswer {
  readonly id: string;
  readonly lifted: true;
}

/** The response of `DELETE connections/:id`. */
export interface KickAnswer {
  readonly id: string;
  readonly node: string;
  /** Whether the close has begun. False when its node did not confirm it in time; then it may or may not happen. */
  readonly closing: boolean;
  readonly confirmed?: false;
}

/** The response of `GET closed`. */
export interface ClosedList {
  readonly items: readonly ClosedView[];
  readonly nextCursor: string | null;
}

/** The additional field of a response while Redis is lost. */
export function degradedIf(isDegraded: boolean): { readonly degraded?: true } {
  return isDegraded ? { degraded: true } : {};
}
