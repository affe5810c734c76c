import type { NodeAnswer } from '../messaging/node-answers.js';

/** Values of connections, and counts of the last minutes. */
export const LEADER_VALUES = [
  'bufferedBytes',
  'bytesIn',
  'bytesOut',
  'messagesIn',
  'messagesOut',
  'reconnects',
  'refusals',
] as const;
export const LEADER_GROUPS = ['connection', 'user', 'ip'] as const;

/**
 * `reconnects`: connections that were opened in the last minutes and have ended. `refusals`: upgrades refused in the last minutes. The other
 * values are those of the connections that are open now, since their opening.
 */
export type LeaderValue = (typeof LEADER_VALUES)[number];
export type LeaderGroup = (typeof LEADER_GROUPS)[number];

/** The value to rank by. */
export interface LeadersQuery {
  readonly by: LeaderValue;
  /** Default: `connection`; `ip` for reconnects and refusals, which are not known for a single connection. */
  readonly group?: LeaderGroup;
}

/** One of the largest. */
export interface Leader {
  /** The id of a connection, the id of a user, an IPv4 address, or the network of an IPv6 client. */
  readonly key: string;
  readonly value: number;
  /** Open connections of the group. */
  readonly connections: number;
  /** The user of a connection; null where it is anonymous, and for groups. */
  readonly userId: string | null;
  /** The address of a connection; null for groups. */
  readonly ip: string | null;
}

/** The ten largest over all nodes, the largest first. */
export interface Leaders {
  readonly by: LeaderValue;
  readonly group: LeaderGroup;
  readonly items: readonly Leader[];
  /** Only where a value may be too low, or one of the ten may be missing. */
  readonly approximate?: true;
  /** Only for reconnects and refusals: the time that they cover, at most 15 minutes. */
  readonly windowMs?: number;
  readonly nodes: readonly NodeAnswer[];
}
