import { Logger } from '@nestjs/common';

import type { NodeState } from '../node/node-state.js';
import { nodeIdOf } from './connection-id.js';

/**
 * Detects an application that uses the API of one node in a cluster of several nodes, and warns once for each method. The effect on this
 * node is correct, but the other nodes are not reached.
 */
export class LocalUse {
  readonly #logger = new Logger('Heartbeat');
  readonly #noticed = new Set<string>();

  constructor(private readonly node: NodeState) {}

  /** A broadcast, which reaches this node only. */
  broadcast(): void {
    this.#notice(
      'broadcast',
      'ConnectionService.broadcast reaches the connections of this node only: use ClusterService.broadcast to reach all nodes',
    );
  }

  /** A method of this node was called with an unknown id of a connection. */
  missed(method: 'kick' | 'send', id: string): undefined {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined || nodeId === this.node.id) return;
    const cure = { kick: 'ClusterService.kick', send: 'ClusterService.sendToUser, or broadcast with a filter,' }[
      method
    ];
    this.#notice(
      method,
      `ConnectionService.${method} finds the connections of this node only, and was given an id of another node: ${cure} reaches all nodes`,
    );
  }

  #notice(method: string, text: string): void {
    const { redisUrl, client } = this.node.options.cluster;
    if ((redisUrl === undefined && client === undefined) || this.#noticed.has(method)) return;
    this.#noticed.add(method);
    this.#logger.warn(`${text} (logged once)`);
  }
}
