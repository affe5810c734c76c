import type { ResolvedOptions } from '../options/heartbeat.options.js';
import type { LivenessOptions } from '../options/liveness.options.js';
import type { Finding } from './finding.js';
import type { SystemReader } from './system-reader.js';

/** The known facts about the node that is checked. */
export interface NodeFacts {
  readonly options: ResolvedOptions;
  readonly system: SystemReader;
  /** Whether any request had the header of a proxy; null where no node is running. */
  readonly proxyHeaderSeen: boolean | null;
  /** The address or host name that the server listens on; null or left out where it is unknown. */
  readonly listensOn?: string | null;
  /** Whether the server itself speaks TLS. Default: false. */
  readonly isTls?: boolean;
  /** Whether admin API and metrics have a port of their own; left out where it is unknown. */
  readonly hasAdminPort?: boolean;
  /** Whether a client came through a Unix socket; left out where no node is running. */
  readonly unixPeerSeen?: boolean;
}

/** One check of a node. It reads and judges, and changes nothing. */
export type Check = (facts: NodeFacts) => Finding;

/** The longest time that an idle connection may be silent before it is pinged. */
export function longestIntervalMs({ adaptive, intervalMs, maxIntervalMs }: LivenessOptions): number {
  return adaptive ? maxIntervalMs : intervalMs;
}

/** The time within which a silent client is detected: docs/guarantees.md, Liveness. */
export function detectionMs(heartbeat: LivenessOptions): number {
  return longestIntervalMs(heartbeat) + heartbeat.missedPongs * heartbeat.pongTimeoutMs + 1000;
}
