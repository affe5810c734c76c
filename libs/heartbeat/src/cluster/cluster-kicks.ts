import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { inSlices } from '../base/slices.js';
import { wireCount, wireId, wireText } from '../base/wire-values.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { Kick } from '../connection/connection.types.js';
import { badQuery, checkedCondition, type ConnectionFilter } from '../connection/listing/connection-filter.js';
import { filterFromWire, filterOnWire } from '../connection/listing/filter-codec.js';
import { ClientBans } from '../connection/ports.js';
import { NodeState } from '../node/node-state.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { nodeAnswers } from '../messaging/node-answers.js';
import type { BulkKick, ClusterKick, KickOutcome } from './cluster-answers.js';

const kick = z.object({ reason: wireText.optional(), reconnect: z.boolean().optional(), by: wireText.optional() });

export const KICK = {
  request: z.object({ id: wireId, kick }),
  reply: z.enum(['closing', 'already-closing', 'not-found']),
};
/** Like `KICK`, with a ban. Nodes of older versions, which would kick without it, do not know it. */
export const KICK_AND_BAN = {
  request: KICK.request.extend({ banForMs: z.number().int().min(1) }),
  reply: KICK.reply,
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
  readonly #kickAndBan;
  readonly #kickAll;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly bans: ClientBans,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#kick = requests.handle('kick', KICK, request => this.#kickOwn(request.id, request.kick));
    this.#kickAndBan = requests.handle('kick-and-ban', KICK_AND_BAN, ({ id, kick: given, banForMs }) =>
      this.#kickOwn(id, given, banForMs),
    );
    this.#kickAll = requests.handle('kick-all', KICK_ALL, request => this.#kickAllOwn(request.filter, request.kick));
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a wrong `banForMs`, or one beside `reconnect`. */
  async kick(id: string, { banForMs, ...how }: ClusterKick): Promise<KickOutcome> {
    assertBanTime(banForMs, how);
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return 'not-found';
    if (nodeId === this.node.id) return this.#kickOwn(id, how, banForMs);
    const since = this.node.clock.now();
    if (!(await this.directory.mayLive(nodeId))) return 'not-found';
    const sent =
      banForMs === undefined
        ? this.#kick.send([nodeId], { id, kick: how }, since)
        : this.#kickAndBan.send([nodeId], { id, kick: how, banForMs }, since);
    const outcome = (await sent).get(nodeId);
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

  /** The ban follows the kick, so that the connection gets the code of the kick. */
  #kickOwn(id: string, given: Kick, banForMs?: number): z.output<typeof KICK.reply> {
    const connection = this.connections.get(id);
    const outcome = this.connections.beginKick(id, given);
    if (connection !== undefined && banForMs !== undefined) this.bans.banClient(connection, banForMs, given);
    return outcome;
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

function assertBanTime(banForMs: number | undefined, { reconnect }: Kick): void {
  if (banForMs === undefined) return;
  const problem = (rule: string, remedy: string) => badQuery([{ key: 'banForMs', value: banForMs, rule, remedy }]);
  if (!Number.isSafeInteger(banForMs) || banForMs < 1) {
    throw problem('must be a whole number of milliseconds above 0', 'correct it, or leave it out');
  }
  if (reconnect) throw problem('must not be given with reconnect', 'leave one of the two out');
}

/** Waits for `work`, at most `ms` milliseconds. */
async function atMost(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>(resolve => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
