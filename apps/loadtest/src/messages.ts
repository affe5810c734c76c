import type { Fault } from './faults.js';
import type { Endpoint } from './load-client.js';
import type { TallyDelta } from './tally.js';

/** The share of the load that one child process carries. */
export interface FleetOrder {
  readonly endpoint: Endpoint;
  readonly firstIndex: number;
  readonly connections: number;
  /** Those of its own clients, in order of their moment. */
  readonly faults: readonly Fault[];
  readonly echoing: readonly number[];
  readonly echoEveryMs: number;
  /** Handshakes under way at once: more would overflow the server's queue of connections not yet accepted. */
  readonly mostOpening: number;
  readonly openPerSecond: number;
  /** One child requests the timing of the server and detects its absences. */
  readonly asks: boolean;
}

/** From the parent. Moments are on the machine's monotonic clock. */
export type ParentMessage =
  | { readonly kind: 'open'; readonly order: FleetOrder }
  | { readonly kind: 'run'; readonly startedAt: number }
  /** The server has ended these clients, which cannot see it themselves. */
  | { readonly kind: 'release'; readonly indices: readonly number[] }
  | { readonly kind: 'finish' };

/** From a child, a few times a second. */
export interface ChildMessage {
  readonly opening: number;
  readonly open: number;
  /** Nothing is left to open or under way. */
  readonly settled: boolean;
  readonly delta: TallyDelta;
  /** The last one before the child ends. */
  readonly last: boolean;
}
