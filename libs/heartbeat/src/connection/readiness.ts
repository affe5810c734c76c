import type { NodeState } from '../node/node-state.js';

/** The reasons why a node should get no new connections. They are the reasons of the refusals that clients would receive. */
export type NotReadyReason = 'starting' | 'draining' | 'at-capacity' | 'overloaded';

/** Returns no reason while the node is ready. */
export function notReadyReasons({ bootstrapped, draining, atCapacity, load, options }: NodeState): NotReadyReason[] {
  const reasons: NotReadyReason[] = [];
  if (!bootstrapped) reasons.push('starting');
  if (draining) reasons.push('draining');
  if (atCapacity && options.health.notReadyAtCapacity) reasons.push('at-capacity');
  if (load.refusing) reasons.push('overloaded');
  return reasons;
}
