import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { Handled } from '../base/handled.js';
import { badQuery } from '../connection/listing/connection-filter.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { nodeAnswers } from '../messaging/node-answers.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests, type Outcome } from '../messaging/node-requests.js';
import { RequestTurns } from '../messaging/request-turns.js';
import { NodeState } from '../node/node-state.js';
import { LeaderBoard } from './leader-board.js';
import type { Leaders, LeadersQuery } from './leaders.types.js';
import { GridShift } from './second-grid.js';
import { frameOf, frameSchema, MAX_BEHIND, MAX_PERIODS, mergeFrames, type StatsFrame } from './stats-frame.js';
import { COARSE_S, type StepSeconds } from './stats-history.js';
import { StatsSampler } from './stats-sampler.js';
import type { Stats, StatsQuery, StatsTotals } from './stats.types.js';

/** The range of the samples of a second, and of all, in milliseconds. */
export const FINE_MS = 60_000;
export const RANGE_MS = 900_000;

export const STATS = {
  request: z.object({
    step: z.union([z.literal(1), z.literal(COARSE_S)]),
    periods: z.number().int().min(1).max(MAX_PERIODS),
  }),
  reply: frameSchema,
};
/** The replies of 50 nodes to so many requests for 15 minutes are 8 MB. */
const REQUESTS_AT_ONCE = 4;
type StatsRequest = z.output<typeof STATS.request>;

/** Statistics of the last 15 minutes over all nodes, for charts; and the largest consumers. */
@Injectable()
export class StatsService {
  readonly #frame;
  readonly #shift = new GridShift();
  readonly #turns = new RequestTurns(REQUESTS_AT_ONCE);
  /** Requests for the same range at the same time share one result. */
  readonly #pending = new Map<string, Promise<Stats>>();

  constructor(
    private readonly node: NodeState,
    private readonly sampler: StatsSampler,
    private readonly board: LeaderBoard,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#frame = requests.handle('stats', STATS, request => this.#ownFrame(request));
  }

  /**
   * Series and totals of one node or of all. A silent node is listed, and not waited for longer than `cluster.requestTimeoutMs`.
   * @throws HeartbeatError (as a rejection) `HEARTBEAT_BAD_QUERY` for a range or a resolution that does not exist, and for an unknown node;
   * `HEARTBEAT_NODE_SILENT` where the one node does not reply.
   */
  @Handled()
  async read(query: StatsQuery = {}): Promise<Stats> {
    const { step, periods } = checked(query);
    const { node } = query;
    if (node !== undefined) return this.#ofOne(node, { step, periods });
    const key = `${step} ${periods}`;
    const pending = this.#pending.get(key) ?? this.#ofAll({ step, periods }).finally(() => this.#pending.delete(key));
    this.#pending.set(key, pending);
    return pending;
  }

  /**
   * The ten largest by a value, over all nodes.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for reconnects or refusals by connection, and for an unknown value.
   */
  @Handled()
  async leaders(query: LeadersQuery): Promise<Leaders> {
    return this.board.read(query);
  }

  async #ofOne(named: string, request: StatsRequest): Promise<Stats> {
    const id = await this.directory.find(named);
    if (id === undefined) {
      throw badQuery([
        {
          key: 'node',
          value: named,
          rule: 'must be the id or the name of a node',
          remedy: 'leave it out for all nodes',
        },
      ]);
    }
    const frame = await this.#frame.sendToOne(id, request);
    return this.#shown([frame], request, [{ id, status: 'ok', connections: frame.connections, ageMs: 0 }]);
  }

  async #ofAll(request: StatsRequest): Promise<Stats> {
    const since = this.node.clock.now();
    return this.#turns.run(async hasTurn => {
      const requested = await this.directory.others();
      const ids = hasTurn ? this.directory.reachable(requested) : [];
      const outcomes: ReadonlyMap<string, Outcome<StatsFrame>> = await this.#frame.send(ids, request, since);
      const frames = [...outcomes.values()].flatMap(outcome => (outcome.status === 'ok' ? [outcome.body] : []));
      const nodes = nodeAnswers(this.membership.report(), requested, outcomes);
      return this.#shown([this.#ownFrame(request), ...frames], request, nodes);
    }, this.node.options.cluster.requestTimeoutMs);
  }

  async #shown(
    frames: readonly [StatsFrame, ...StatsFrame[]],
    { step, periods }: StatsRequest,
    nodes: Stats['nodes'],
  ): Promise<Stats> {
    const { first, series } = await mergeFrames(frames, this.sampler.history.columns, step, periods - MAX_BEHIND[step]);
    return { from: new Date(first * step * 1000), stepMs: step * 1000, series, totals: totalsOf(frames), nodes };
  }

  #ownFrame({ step, periods }: StatsRequest): StatsFrame {
    const { sampler, node } = this;
    const now = node.clock.now();
    const shiftS = this.#shift.of(sampler.gridTime(now), this.membership.storeTime(now));
    const { connections, ...totals } = sampler.totals;
    return { ...frameOf(sampler.history, step, periods, shiftS), totals, connections };
  }
}

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` with every problem. */
function checked({ sinceMs = RANGE_MS, stepMs }: StatsQuery): StatsRequest {
  const problems = [];
  if (!Number.isInteger(sinceMs) || sinceMs < 1 || sinceMs > RANGE_MS) {
    const rule = `must be a whole number from 1 to ${RANGE_MS}`;
    problems.push({ key: 'sinceMs', value: sinceMs, rule, remedy: 'leave it out for 15 minutes' });
  }
  const given = stepMs ?? (sinceMs <= FINE_MS ? 1000 : COARSE_S * 1000);
  const fault = stepFault(sinceMs, given);
  if (fault !== null)
    problems.push({ key: 'stepMs', value: stepMs, rule: fault, remedy: 'leave it out for the finest' });
  if (problems.length > 0) throw badQuery(problems);
  const step: StepSeconds = given === 1000 ? 1 : COARSE_S;
  return { step, periods: Math.ceil(sinceMs / (step * 1000)) + MAX_BEHIND[step] };
}

/** The rule that a resolution breaks; null for one that exists. */
export function stepFault(sinceMs: number, stepMs: number): string | null {
  if (stepMs !== 1000 && stepMs !== COARSE_S * 1000) return `must be one of 1000, ${COARSE_S * 1000}`;
  return stepMs === 1000 && sinceMs > FINE_MS ? `must be ${COARSE_S * 1000} where sinceMs is above ${FINE_MS}` : null;
}

function totalsOf(frames: readonly StatsFrame[]): StatsTotals {
  const sum = (name: keyof StatsFrame['totals']) => frames.reduce((all, { totals }) => all + totals[name], 0);
  return {
    connections: frames.reduce((all, { connections }) => all + connections, 0),
    opened: sum('opened'),
    closed: sum('closed'),
    refused: sum('refused'),
    messagesIn: sum('messagesIn'),
    messagesOut: sum('messagesOut'),
    bytesIn: sum('bytesIn'),
    bytesOut: sum('bytesOut'),
  };
}
