import { Inject, Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';
import { z } from 'zod';

import { Handled } from '../base/handled.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { NodeState } from '../node/node-state.js';
import type { ClusterBus } from './cluster-bus.js';
import { ClusterMembership, LEFT } from './cluster-membership.js';
import { type ClusterNode, decodeLease } from './cluster-node.js';
import { NodeMessages } from './node-messages.js';
import { nodeSilent } from './node-requests.js';

/** Another node by its last lease. `renewedAt` is a time of this node's clock. */
interface Known {
  readonly node: ClusterNode;
  readonly renewedAt: number;
  /** Whether it lists by keys; older versions do not. */
  readonly givesKeys: boolean;
}

/** Fields that nodes of this version send with the message `left`: none. */
export const left = z.object({});

/** The nodes of the cluster, by their leases. */
@Injectable()
export class NodeDirectory {
  readonly #known = new Map<string, Known>();
  readonly #departures = new Subject<string>();

  /** Ids of nodes that have announced their end. */
  readonly departures = this.#departures.asObservable();

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly membership: ClusterMembership,
    messages: NodeMessages,
  ) {
    messages.handle(LEFT, left, (_, from) => {
      this.#known.delete(from);
      this.#departures.next(from);
    });
  }

  /**
   * The other nodes: those with a lease, and those that recently had one and did not leave. A Redis that was emptied does not have them
   * until they renew, and a lost one lists none.
   * @param named The id or the name of a node. Default: all.
   */
  async others(named?: string): Promise<ClusterNode[]> {
    if (!this.bus.isShared) return [];
    await this.#read();
    const now = this.node.clock.now();
    const all = [...this.#known.values()].map(({ node, renewedAt }) => ({
      ...node,
      ageMs: Math.max(0, Math.round(now - renewedAt)),
    }));
    return named === undefined ? all : all.filter(({ id, name }) => [id, name].includes(named));
  }

  /** Ids of the nodes that a message can reach. Without Redis no node can be reached, and there is no wait. */
  reachable(nodes: readonly ClusterNode[]): string[] {
    return this.bus.isUp ? nodes.map(({ id }) => id) : [];
  }

  /** Whether all of these nodes know the operations `keys` and `rows`. */
  giveKeys(nodes: readonly ClusterNode[]): boolean {
    return nodes.every(({ id }) => this.#known.get(id)?.givesKeys);
  }

  /**
   * Finds the id of a node by its id or its name; this node's id without an argument. Of nodes that share a name this one is preferred.
   * Returns undefined if there is none.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) where Redis is lost, so that the node may exist.
   */
  async find(named: string | undefined): Promise<string | undefined> {
    if (named === undefined || named === this.node.id || named === this.node.name) return this.node.id;
    const nodes = await this.others(named);
    const found = nodes.find(({ id }) => id === named) ?? nodes[0];
    if (found === undefined && this.node.clusterLost) throw nodeSilent(named);
    return found?.id;
  }

  /** Whether a node with this id may exist: another node with a lease, or any node while Redis is lost. */
  @Handled()
  async mayLive(nodeId: string): Promise<boolean> {
    if (!this.bus.isShared) return false;
    try {
      return (await this.bus.hasLease(nodeId)) || this.#isRecent(nodeId);
    } catch (error) {
      this.membership.failed('lease', error);
      return true;
    }
  }

  async #read(): Promise<void> {
    const listed = new Set<string>();
    try {
      for (const { nodeId, summary, ageMs } of await this.bus.leases()) {
        const read = nodeId === this.node.id ? null : decodeLease(summary);
        if (read === null && nodeId !== this.node.id) this.membership.failed('message');
        if (read === null) continue;
        const { givesKeys = false, ...description } = read;
        listed.add(nodeId);
        const renewedAt = this.node.clock.now() - ageMs;
        this.#known.set(nodeId, { node: { id: nodeId, ...description, ageMs }, renewedAt, givesKeys });
      }
    } catch (error) {
      this.membership.failed('lease', error);
    }
    for (const id of this.#known.keys()) if (!listed.has(id) && !this.#isRecent(id)) this.#known.delete(id);
  }

  /** Whether a node recently had a lease, and did not leave. */
  #isRecent(nodeId: string): boolean {
    const renewedAt = this.#known.get(nodeId)?.renewedAt ?? -Infinity;
    return this.node.clock.now() - renewedAt < this.node.options.cluster.leaseMs;
  }
}
