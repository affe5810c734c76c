import type { NodeAnswer } from '../messaging/node-answers.js';

/** The range and the resolution of statistics. */
export interface StatsQuery {
  /** The last so many milliseconds, at most 900000, which is the default. */
  readonly sinceMs?: number;
  /** The length of a period in milliseconds: 1000, for the last minute only, or 5000. Default: 1000 where `sinceMs` is at most 60000. */
  readonly stepMs?: 1000 | 5000;
  /** The id or the name of one node. Default: all nodes together. */
  readonly node?: string;
}

/** Totals since the start of each node, heartbeats and frames included in the bytes. */
export interface StatsTotals {
  /** Connections that are open now. */
  readonly connections: number;
  readonly opened: number;
  readonly closed: number;
  /** Refused upgrades. */
  readonly refused: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Series for charts. The value at an index covers `stepMs` from `from` + index × `stepMs`. */
export interface Stats {
  /** The start of the first period, by the clock that all nodes share. */
  readonly from: Date;
  readonly stepMs: number;
  /** By name; all have the same length. Null is a gap: a stall, a suspended machine, a time before the start, or silent nodes. */
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
  /** Of all nodes that replied. */
  readonly totals: StatsTotals;
  /** The nodes; a series has no part of those whose status is not `ok`. */
  readonly nodes: readonly NodeAnswer[];
}
