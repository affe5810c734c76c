import { EMPTY } from 'rxjs';
import { BanList } from '../../../libs/heartbeat/src/admission/ban-list.js';
import { UserIdentityRule } from '../../../libs/heartbeat/src/admission/identity-rule.js';
import { ConnectionService } from '../../../libs/heartbeat/src/connection/connection.service.js';
import { HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import type { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';
import type { UserSlots } from '../../../libs/heartbeat/src/connection/ports.js';
import { Registry } from '../../../libs/heartbeat/src/connection/registry.js';
import { HeldAnswers } from '../../../libs/heartbeat/src/flow/held-answers.js';
import { InboundService } from '../../../libs/heartbeat/src/flow/inbound.service.js';
import { OutboundService } from '../../../libs/heartbeat/src/flow/outbound.service.js';

/** The registry of a node and the rules behind its ports, wired as `HeartbeatModule` does it, but without Nest. */
export interface WiredNode {
  readonly registry: Registry;
  readonly bans: BanList;
  readonly slots: UserSlots;
  readonly identities: UserIdentityRule;
  readonly held: HeldAnswers;
  readonly inbound: InboundService;
  readonly outbound: OutboundService;
  readonly connections: ConnectionService;
}

/** The slots of a node that is alone: there is nothing to acquire. */
const OWN_SLOTS: UserSlots = {
  isShared: false,
  replaced: EMPTY,
  acquire: () => Promise.resolve(() => undefined),
  acquireOpen: () => Promise.resolve(true),
  share: () => Promise.resolve(),
  unshare: () => undefined,
};

/** @param given The slots of a node in a cluster, and the registry whose connections they count. */
export function wireNode(
  node: NodeState,
  events = new HeartbeatEvents(),
  { registry = new Registry(node.options), slots = OWN_SLOTS }: Partial<WiredNode> = {},
): WiredNode {
  const bans = new BanList(node, registry, events);
  const identities = new UserIdentityRule(node, registry, bans, slots);
  const held = new HeldAnswers();
  const inbound = new InboundService(node, events, bans, held);
  const outbound = new OutboundService(node, registry, held, events);
  const connections = new ConnectionService(node, events, registry, identities, inbound, outbound);
  return { registry, bans, slots, identities, held, inbound, outbound, connections };
}
