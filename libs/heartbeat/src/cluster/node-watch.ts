import { Inject, Injectable, Logger } from '@nestjs/common';

import { NodeState } from '../node/node-state.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { decodeLease } from '../messaging/cluster-node.js';
import { NodeDirectory } from '../messaging/node-directory.js';

/** Time after which a Redis that returns, empty or failed over, has all leases again. Until then no node is reported as dead. */
const RETURN_MS = 5000;

/**
 * Logs the nodes that join, leave and die. It reads the leases only when their number changes, when a node announces its end, and
 * while one is missing.
 */
@Injectable()
export class NodeWatch {
  readonly #logger = new Logger('Heartbeat');
  /** The addresses of the other nodes, by id. */
  readonly #present = new Map<string, string>();
  /** Nodes without a lease that have not announced their end, and the time at which that was detected. */
  readonly #missing = new Map<string, number>();
  readonly #left = new Set<string>();
  #count = 0;
  #isReading = false;
  #isStarted = false;

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly membership: ClusterMembership,
    directory: NodeDirectory,
  ) {
    directory.departures.subscribe(nodeId => {
      if (this.#present.has(nodeId)) this.#left.add(nodeId);
    });
    membership.renewals.subscribe(({ nodes }) => {
      const isChanged = nodes !== this.#count || this.#missing.size > 0 || this.#left.size > 0;
      this.#count = nodes;
      if (isChanged && !this.#isReading) void this.#compare();
    });
  }

  async #compare(): Promise<void> {
    this.#isReading = true;
    try {
      this.#report(await this.bus.leases());
    } catch (error) {
      this.membership.failed('lease', error);
      // The next renewal tries again.
      this.#count = 0;
    } finally {
      this.#isReading = false;
    }
  }

  #report(leases: Awaited<ReturnType<ClusterBus['leases']>>): void {
    const others = leases.filter(({ nodeId }) => nodeId !== this.node.id);
    const living = new Set(others.map(({ nodeId }) => nodeId));
    for (const { nodeId, summary } of others) {
      this.#missing.delete(nodeId);
      this.#left.delete(nodeId);
      if (this.#present.has(nodeId)) continue;
      this.#present.set(nodeId, decodeLease(summary)?.address ?? 'address unknown');
      if (this.#isStarted) this.#logger.log(`node ${this.#nameOf(nodeId)} has joined the cluster: ${this.#size}`);
    }
    for (const nodeId of this.#present.keys()) if (!living.has(nodeId)) this.#noteAbsence(nodeId);
    if (!this.#isStarted) this.#logger.log(`node ${this.node.id} is in a cluster: ${this.#size}${this.#names}`);
    this.#isStarted = true;
  }

  #noteAbsence(nodeId: string): void {
    const now = this.node.clock.now();
    if (!this.#missing.has(nodeId)) this.#missing.set(nodeId, now);
    const hasLeft = this.#left.has(nodeId);
    if (!hasLeft && now - (this.#missing.get(nodeId) ?? now) < RETURN_MS) return;
    const name = this.#nameOf(nodeId);
    for (const set of [this.#present, this.#missing, this.#left]) set.delete(nodeId);
    if (hasLeft) return this.#logger.log(`node ${name} has left the cluster: ${this.#size}`);
    const { leaseMs } = this.node.options.cluster;
    this.#logger.warn(`node ${name} is dead, its lease of ${leaseMs} ms was not renewed: ${this.#size}`);
  }

  #nameOf(nodeId: string): string {
    return `${nodeId} (${this.#present.get(nodeId)})`;
  }

  get #size(): string {
    const count = this.#present.size + 1;
    return count === 1 ? '1 node' : `${count} nodes`;
  }

  get #names(): string {
    const names = [...this.#present.keys()];
    return names.length === 0 ? '' : `, with ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`;
  }
}
