import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { wireCount, wireText } from '../base/wire-values.js';
import { badQuery } from '../connection/listing/connection-filter.js';
import { Registry } from '../connection/registry.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { nodeAnswers } from '../messaging/node-answers.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { RequestTurns } from '../messaging/request-turns.js';
import { NodeState } from '../node/node-state.js';
import {
  type Leader,
  LEADER_GROUPS,
  LEADER_VALUES,
  type LeaderGroup,
  type Leaders,
  type LeadersQuery,
  type LeaderValue,
} from './leaders.types.js';
import { type Candidates, isOfConnections, largest, mostFrequent, Top } from './own-leaders.js';
import { StatsSampler } from './stats-sampler.js';

/** Leaders in a response. */
const SHOWN = 10;
/** Candidates of each node. A group that is among the ten largest is missed only where no node has it among so many. */
const CANDIDATES = 100;
/** Requests to all nodes that run at once: the replies of 50 nodes to them are 4 MB. */
const REQUESTS_AT_ONCE = 4;

const leader = z.object({
  key: wireText,
  value: z.number(),
  connections: wireCount,
  userId: wireText.nullable(),
  ip: wireText.nullable(),
});
export const LEADERS = {
  request: z.object({ by: z.enum(LEADER_VALUES), group: z.enum(LEADER_GROUPS) }),
  reply: z.object({
    items: z.array(leader).max(CANDIDATES),
    isApproximate: z.boolean(),
    windowMs: wireCount,
    connections: wireCount,
  }),
};
type LeadersRequest = z.output<typeof LEADERS.request>;

/** The largest connections, users and addresses over all nodes. */
@Injectable()
export class LeaderBoard {
  readonly #candidates;
  readonly #turns = new RequestTurns(REQUESTS_AT_ONCE);

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly sampler: StatsSampler,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#candidates = requests.handle('leaders', LEADERS, async request => {
      const { items, ...rest } = await this.#own(request);
      return { ...rest, items: [...items], connections: registry.size };
    });
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) with every problem. */
  async read(query: LeadersQuery): Promise<Leaders> {
    const request = checked(query);
    const since = this.node.clock.now();
    return this.#turns.run(async hasTurn => {
      const [own, requested] = await Promise.all([this.#own(request), this.directory.others()]);
      const ids = hasTurn ? this.directory.reachable(requested) : [];
      const outcomes = await this.#candidates.send(ids, request, since);
      const others = [...outcomes.values()].flatMap(outcome => (outcome.status === 'ok' ? [outcome.body] : []));
      const nodes = nodeAnswers(this.membership.report(), requested, outcomes);
      return { ...request, ...merged(request, [own, ...others]), nodes };
    }, this.node.options.cluster.requestTimeoutMs);
  }

  async #own({ by, group }: LeadersRequest): Promise<Candidates> {
    if (isOfConnections(by)) return largest(this.registry, by, group, CANDIDATES);
    const keys = by === 'refusals' ? this.sampler.refusals : this.registry.openings;
    const kind = group === 'user' ? 'user' : 'ip';
    const now = this.node.clock.now();
    return mostFrequent(this.registry, keys[kind], { by, group: kind, now, limit: CANDIDATES });
  }
}

/** The candidates of all nodes as one list. A connection is on one node only, so its list is exact. */
function merged(
  { by, group }: LeadersRequest,
  parts: readonly Candidates[],
): Pick<Leaders, 'items' | 'approximate' | 'windowMs'> {
  const sums = new Map<string, Leader>();
  for (const { items } of parts) {
    for (const item of items) {
      const known = sums.get(item.key);
      const value = item.value + (known?.value ?? 0);
      const connections = item.connections + (known?.connections ?? 0);
      sums.set(item.key, { ...item, value, connections });
    }
  }
  const top = new Top<Leader>(SHOWN);
  for (const item of sums.values()) top.offer(item, item.value);
  const mayMiss = group !== 'connection' && parts.filter(({ items }) => items.length > 0).length > 1;
  return {
    items: top.sorted().map(([item]) => item),
    ...((mayMiss || parts.some(({ isApproximate }) => isApproximate)) && { approximate: true }),
    ...(!isOfConnections(by) && { windowMs: Math.max(...parts.map(({ windowMs }) => windowMs)) }),
  };
}

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` with every problem. */
function checked({ by, group = defaultGroup(by) }: LeadersQuery): LeadersRequest {
  const problems = [];
  if (!LEADER_VALUES.includes(by)) {
    problems.push({ key: 'by', value: by, rule: `must be one of ${LEADER_VALUES.join(', ')}`, remedy: 'choose one' });
  }
  const rule = groupFault(by, group);
  if (rule !== null) problems.push({ key: 'group', value: group, rule, remedy: 'leave it out for the default' });
  if (problems.length > 0) throw badQuery(problems);
  return { by, group };
}

export function defaultGroup(by: LeaderValue): LeaderGroup {
  return isOfConnections(by) ? 'connection' : 'ip';
}

/** The rule that a group breaks; null for a possible one. */
export function groupFault(by: LeaderValue, group: LeaderGroup): string | null {
  if (!LEADER_GROUPS.includes(group)) return `must be one of ${LEADER_GROUPS.join(', ')}`;
  return group === 'connection' && !isOfConnections(by) ? `must be ip or user where by is ${by}` : null;
}
