/** A node whose events a stream has. */
export interface Source {
  readonly boot: string;
  /** Null while no node with this boot is known: a position of an earlier stream. */
  nodeId: string | null;
  /** The number of the last event; null before the first reply. */
  after: number | null;
  status: 'ok' | 'timeout' | null;
  /** Whether all events of the node were sent, and it ends. */
  hasEnded: boolean;
  /** The time since which the node has no lease; null while it has one, or while Redis is lost. */
  absentSince: number | null;
  /** Identifies the loop that reads this source; null without one. */
  run: object | null;
}

/** @param after The position of an earlier stream; null to begin with the next event. */
export function sourceOf(boot: string, after: number | null): Source {
  return { boot, nodeId: null, after, status: null, hasEnded: false, absentSince: null, run: null };
}
