import { Injectable } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { ClusterService } from './cluster.service.js';
import { NodeRequests } from '../messaging/node-requests.js';
import type { Operation, ReplyOf, RequestOf } from '../messaging/wire.js';

/** An operation that each node does for itself, and what answers it here. */
export interface OwnOperation<Name extends Operation> {
  readonly operation: Name;
  readonly body: RequestOf<Name>;
  readonly here: () => ReplyOf<Name> | Promise<ReplyOf<Name>>;
}

/** Sends what concerns one node to that node. */
@Injectable()
export class NodeRouter {
  constructor(
    private readonly node: NodeState,
    private readonly cluster: ClusterService,
    private readonly requests: NodeRequests,
  ) {}

  /**
   * The id of a node that is named by its id or its name; this node without one. Of nodes that share a name this one comes first.
   * Undefined if there is none.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) where Redis is lost, so that it cannot be known.
   */
  async find(named: string | undefined): Promise<string | undefined> {
    if (named === undefined || named === this.node.id || named === this.node.name) return this.node.id;
    const nodes = await this.cluster.nodes();
    const found = nodes.find(({ id }) => id === named) ?? nodes.find(({ name }) => name === named);
    if (found === undefined && this.cluster.isDegraded) throw silent(named);
    return found?.id;
  }

  /**
   * What the node answers.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when it does not answer in time.
   */
  async ask<Name extends Operation>(nodeId: string, asked: OwnOperation<Name>): Promise<ReplyOf<Name>> {
    if (nodeId === this.node.id) return asked.here();
    const answer = (await this.requests.ask([nodeId], asked.operation, asked.body)).get(nodeId);
    if (answer?.status === 'ok') return answer.body;
    throw silent(nodeId);
  }
}

function silent(node: string): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_NODE_SILENT', `the node ${node} does not answer: ask again in a moment`);
}
