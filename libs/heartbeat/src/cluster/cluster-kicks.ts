import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { inSlices } from '../base/slices.js';
import { wireCount, wireId, wireText } from '../base/wire-values.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { Kick } from '../connection/connection.types.js';
import { checkedCondition, type ConnectionFilter } from '../connection/listing/connection-filter.js';
import { filterFromWire, filterOnWire } from '../connection/listing/filter-codec.js';
import { NodeState } from '../node/node-state.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { nodeAnswers } from '../messaging/node-answers.js';
import type { BulkKick, KickOutcome } from './cluster-answers.js';

const kick = z.object({ reason: wireText.optional(), reconnect: z.boolean().optional(), by: wireText.optional() });

export const KICK = {
  request: z.object({ id: wireId, kick }),
  reply: z.enum(['closing', 'already-closing', 'not-found']),
};
export const KICK_ALL = {
  request: z.object({ filter: filterFromWire, kick }),
  reply: z.object({ kicked: wireCount, failed: wireCount, connections: wireCount }),
};
type OwnBulkKick = z.output<typeof KICK_ALL.reply>;

/** The share of the time for a reply after which a node replies while its work continues. */
const REPLY_SHARE = 0.4;

/** Kicks of one connection, and of all that match a filter, on any node. */
@Injectable()
export class ClusterKicks {
  readonly #kick;
  readonly #kickAll;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#kick = requests.handle('kick', KICK, ({ id, kick: given }) => connections.beginKick(id, given));
    this.#kickAll = requests.handle('kick-all', KICK_ALL, request => this.#kickAllOwn(request.filter, request.kick));
  }

  async kick(id: string, given: Kick): Promise<KickOutcome> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return 'not-found';
    if (nodeId === this.node.id) return this.connections.beginKick(id, given);
    const since = this.node.clock.now();
    if (!(await this.directory.mayLive(nodeId))) return 'not-found';
    const outcome = (await this.#kick.send([nodeId], { id, kick: given }, since)).get(nodeId);
    return outcome?.status === 'ok' ? outcome.body : 'unconfirmed';
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for an invalid filter, or one without a condition. */
  async kickAll(given: ConnectionFilter, how: Kick): Promise<BulkKick> {
    const filter = checkedCondition(given);
    const [own, { requested, outcomes }] = await Promise.all([
      this.#kickAllOwn(filter, how),
      this.#kickAllOthers(filter, how),
    ]);
    let { kicked, failed } = own;
    for (const outcome of outcomes.values()) {
      if (outcome.status !== 'ok') continue;
      kicked += outcome.body.kicked;
      failed += outcome.body.failed;
    }
    return { kicked, failed, nodes: nodeAnswers(this.membership.report(), requested, outcomes) };
  }

  async #kickAllOthers(filter: ConnectionFilter, how: Kick) {
    const since = this.node.clock.now();
    const requested = await this.directory.others(filter.node);
    const body = { filter: filterOnWire(filter), kick: how };
    return { requested, outcomes: await this.#kickAll.send(this.directory.reachable(requested), body, since) };
  }

  /**
   * Kicks in slices, between which pending I/O is handled. Replies within the time for a reply. Kicks that have not begun by then count as
   * kicked where their connection is open, and continue.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a filter without a condition, also of an older node.
   */
  async #kickAllOwn(filter: ConnectionFilter, how: Kick): Promise<OwnBulkKick> {
    const matches = this.connections.find(checkedCondition(filter));
    let [reached, kicked] = [0, 0];
    const work = inSlices(matches, ({ id }) => {
      reached++;
      if (this.connections.beginKick(id, how) === 'closing') kicked++;
    }).catch((error: unknown) => this.membership.failed('request', error));
    await atMost(work, this.node.options.cluster.requestTimeoutMs * REPLY_SHARE);
    const left = matches.slice(reached).filter(({ state }) => state !== 'closing').length;
    return { kicked: kicked + left, failed: matches.length - kicked - left, connections: this.connections.count };
  }
}

/** Waits for `work`, at most `ms` milliseconds. */
async function atMost(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>(resolve => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
