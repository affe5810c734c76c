import { LimitService } from '../../../libs/heartbeat/src/limits/limit.service.js';
import { LimitsInForce } from '../../../libs/heartbeat/src/limits/limits-in-force.js';
import { SharedLimits } from '../../../libs/heartbeat/src/limits/shared-limits.js';
import type { HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import type { UserSlots } from '../../../libs/heartbeat/src/connection/ports.js';
import type { Registry } from '../../../libs/heartbeat/src/connection/registry.js';
import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import type { ClusterMembership } from '../../../libs/heartbeat/src/messaging/cluster-membership.js';
import type { NodeDirectory } from '../../../libs/heartbeat/src/messaging/node-directory.js';
import type { NodeRequests } from '../../../libs/heartbeat/src/messaging/node-requests.js';
import type { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';

/** The parts of a node that change its limits. */
export interface WiredLimits {
  readonly service: LimitService;
  readonly inForce: LimitsInForce;
  readonly shared: SharedLimits;
}

export function wireLimits(
  state: NodeState,
  events: HeartbeatEvents,
  own: { readonly registry: Registry; readonly slots: UserSlots },
  cluster: { bus: ClusterBus; link: ClusterMembership; directory: NodeDirectory; requests: NodeRequests },
): WiredLimits {
  const { bus, link, directory, requests } = cluster;
  const inForce = new LimitsInForce(state, own.registry, own.slots, events);
  const shared = new SharedLimits(state, bus, link, inForce);
  return { service: new LimitService(state, inForce, shared, link, directory, events, requests), inForce, shared };
}
