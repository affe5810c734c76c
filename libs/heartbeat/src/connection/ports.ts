import type { BanNotice } from './heartbeat.events.js';

/** The words in which a node's rules speak with the cluster. */

/** Places of users, over all nodes together. */
export interface UserSlots {
  /**
   * Grants one more place, and answers how to give it back: to be called once, when a connection has it or nobody will. Null when the
   * user has all it may have. Never rejects, and never waits for long.
   */
  take(userId: string): Promise<(() => void) | null>;
}

/** The bans of this node, for whoever shares them. */
export interface BanStore {
  /** Takes in a ban of another node, or its later end; false if it is none. */
  add(ban: BanNotice): boolean;
  /** Forgets a ban that another node has lifted. */
  remove(id: string): void;
  /** Makes a ban anew under another id where it was extended here while another node lifted it; the extension is the later wish. */
  renew(id: string): void;
  /** The bans in force; live. */
  records(): Iterable<BanNotice>;
}
