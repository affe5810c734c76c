import { BanList } from '../../../libs/heartbeat/src/admission/ban-list.js';
import { ConnectionService } from '../../../libs/heartbeat/src/connection/connection.service.js';
import { HeartbeatEvents } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';
import type { NodeState } from '../../../libs/heartbeat/src/connection/node-state.js';

/** The registry of a node and the rules behind its ports, wired as `HeartbeatModule` does it, but without Nest. */
export interface WiredNode {
  readonly connections: ConnectionService;
  readonly bans: BanList;
}

export function wireNode(node: NodeState, events = new HeartbeatEvents()): WiredNode {
  const connections = new ConnectionService(node, events);
  const bans = new BanList(node, connections, events);
  return { connections, bans };
}
