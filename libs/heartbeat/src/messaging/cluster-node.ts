/** A node of the cluster, as its lease tells of it. */
export interface ClusterNode {
  readonly id: string;
  readonly name: string;
  /** Where it listens, as far as it can know. */
  readonly address: string;
  /** Of nestjs-heartbeat. */
  readonly version: string;
  readonly state: 'starting' | 'up' | 'draining';
  readonly connections: number;
  /** From 0 (idle) to 1 (no more). */
  readonly load: number;
  /** The heartbeat's interval in force. */
  readonly intervalMs: number;
  /** How old this report is. */
  readonly ageMs: number;
}
