import type { NodeState } from '../node/node-state.js';

/** A node that was full accepts clients again below this share of `maxConnections`. */
const RELIEF = 0.95;

/** The node has one more connection, `count` in all. */
export function capacityUsed(node: NodeState, count: number): void {
  if (count >= node.limits.maxConnections) node.atCapacity = true;
}

/** The node has one connection less, `count` in all. */
export function capacityFreed(node: NodeState, count: number): void {
  if (count < RELIEF * node.limits.maxConnections) node.atCapacity = false;
}

/** `maxConnections` has changed: whether the node is at capacity does not depend on the past. */
export function capacityChanged(node: NodeState, count: number): void {
  node.atCapacity = count >= node.limits.maxConnections;
}
