import { Injectable } from '@nestjs/common';

import { Handled } from '../base/handled.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import type { ConnectionView } from '../connection/listing/connection-view.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import type { SharedRecord } from '../messaging/shared-records.js';
import { APPLICATION, type AuditActor, type AuditResult, AuditTrail } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import { BoundConnections, MAX_SAMPLE } from './bound-connections.js';
import {
  decodeRecord,
  decodeReports,
  encodeRecord,
  isJobId,
  jobOfToken,
  jobView,
  type KickRecord,
  newToken,
} from './kick-record.js';
import { KickRecords } from './kick-records.js';
import { type CheckedSelection, checkedSelection, checkedSettings } from './kick-settings.js';
import type { BulkKickOptions, KickJob, KickPlan, KickSelection, KickStart } from './kick.types.js';
import { KEPT_MS, NodeKicks } from './node-kicks.js';

/** Time in which a token can be taken. */
const TOKEN_MS = 5 * 60 * 1000;
/** Attempts to change a record that other nodes change at the same time. */
const ATTEMPTS = 5;

/**
 * Kicks of many connections over all nodes in two steps. A dry run shows what would be kicked, and returns a token that is bound to just
 * these connections. The token starts a job, once: each node kicks its own connections at an even pace. Without Redis, or while it is lost,
 * the connections are those of this node.
 */
@Injectable()
export class KickService {
  constructor(
    private readonly node: NodeState,
    private readonly own: NodeKicks,
    private readonly bound: BoundConnections,
    private readonly records: KickRecords,
    private readonly membership: ClusterMembership,
    private readonly trail: AuditTrail,
  ) {}

  /**
   * A dry run: finds the connections on every node, and binds a token to them. Kicks none. Connections that open later, or that are closing
   * already, are not part of it.
   * @param options Defaults for the start.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a filter without a condition, an unknown condition, an empty text,
   * wrong ids or options; `HEARTBEAT_REDIS_LOST` where Redis is lost meanwhile.
   */
  @Handled()
  async plan(selection: KickSelection, options: BulkKickOptions = {}): Promise<KickPlan> {
    const checked = checkedSelection(selection);
    const settings = checkedSettings(options);
    const { token, job } = newToken();
    const expiresAt = this.node.clock.wallTime(this.node.clock.now() + TOKEN_MS);
    const { replies, silent } = await this.bound.bind(job, TOKEN_MS, checked);
    const matched = replies.reduce((sum, [, reply]) => sum + reply.matched, 0);
    const all = replies.reduce((sum, [, reply]) => sum + reply.connections, 0);
    const nodes = replies.map(([nodeId, reply]): [string, number] => [nodeId, reply.matched]);
    const record = {
      ...NOT_STARTED,
      selection: shown(checked),
      options: settings,
      nodes: nodes.filter(([, own]) => own > 0),
    };
    await this.#orLost(
      this.records.put(job, encodeRecord(record), TOKEN_MS),
      'the dry run could not be kept: repeat it',
    );
    return {
      matched,
      // A connection may close meanwhile.
      share: all === 0 ? 0 : Math.min(1, matched / all),
      byNode: nodes.map(([nodeId, own]) => ({ node: nodeId, matched: own })),
      silent,
      sample: inTurn(replies.map(([, { sample }]) => sample)).slice(0, MAX_SAMPLE),
      token,
      expiresAt,
    };
  }

  /**
   * Starts the kick of the connections of a token. Each of them is kicked once, whichever nodes are asked at once.
   * @param options These win over the options of the dry run.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for wrong options, after which the token stays valid;
   * `HEARTBEAT_REDIS_LOST` where Redis does not respond.
   */
  start(token: string, options?: BulkKickOptions): Promise<KickStart>;
  /** @internal */ start(token: string, options: BulkKickOptions, actor: AuditActor): Promise<KickStart>;
  @Handled()
  async start(token: string, options: BulkKickOptions = {}, actor = APPLICATION): Promise<KickStart> {
    const job = jobOfToken(token);
    const [read, planned] = await this.#record(job);
    const settings = checkedSettings(planned?.options ?? {}, options);
    if (read === null || planned === null) return this.#refused(job, actor, 'unknown-token');
    if (planned.state !== 'planned') return this.#refused(job, actor, 'already-started');
    const startedAt = Math.round(this.membership.storeTime(this.node.clock.now()));
    const startedBy = this.node.id;
    const text = encodeRecord({ ...planned, state: 'running', options: settings, actor, startedAt, startedBy });
    const changed = this.records.change(job, read.text, text, KEPT_MS).catch((error: unknown) => {
      // Redis may have taken it.
      this.own.follow(job, text);
      throw error;
    });
    if (!(await this.#orLost(changed, `it is unknown whether the job ${job} has started: read its state`))) {
      const [, now] = await this.#record(job);
      return this.#refused(job, actor, now === null ? 'unknown-token' : 'already-started');
    }
    this.own.follow(job, text);
    await this.own.changed(job);
    return { outcome: 'started', job };
  }

  /**
   * Progress or result of a job; undefined for an unknown one. Results are kept for an hour.
   * @throws HeartbeatError `HEARTBEAT_REDIS_LOST` (as a rejection) where Redis does not respond, and this node has no part in the job.
   */
  @Handled()
  async job(job: string): Promise<KickJob | undefined> {
    if (!isJobId(job)) return undefined;
    try {
      const [read, record] = await this.#record(job);
      if (read === null || record === null || record.state === 'planned') return undefined;
      const reports = decodeReports(read.reports);
      return jobView(job, record, reports, await this.own.lostNodes(record, reports));
    } catch (error) {
      const known = this.own.known(job);
      if (known === undefined) throw error;
      return known;
    }
  }

  /**
   * Stops a job: each node ends its share before its next kick. Returns its state; undefined for an unknown job. Without effect on a job
   * that has ended.
   * @throws HeartbeatError `HEARTBEAT_REDIS_LOST` (as a rejection) where Redis does not respond.
   */
  stop(job: string): Promise<KickJob | undefined>;
  /** @internal */ stop(job: string, actor: AuditActor): Promise<KickJob | undefined>;
  @Handled()
  async stop(job: string, actor = APPLICATION): Promise<KickJob | undefined> {
    const result = isJobId(job) ? await this.#stop(job) : 'not-found';
    // A route makes the entry of a request that it refuses.
    if (result !== 'not-found' || actor === APPLICATION) {
      this.trail.recordFor(actor, { what: 'stop-bulk-kick', target: job, result });
    }
    return result === 'not-found' ? undefined : this.job(job);
  }

  async #stop(job: string): Promise<AuditResult> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [read, record] = await this.#record(job);
      if (read === null || record === null || record.state === 'planned') return 'not-found';
      if (record.state !== 'running')
        return `refused: ${record.state === 'ended' ? 'already-ended' : 'already-stopped'}`;
      const text = encodeRecord({ ...record, state: 'stopping' });
      if (
        await this.#orLost(this.records.change(job, read.text, text, KEPT_MS), 'the job was not stopped: try again')
      ) {
        await this.own.changed(job);
        return 'done';
      }
    }
    return 'failed';
  }

  #refused(job: string, actor: AuditActor, outcome: 'unknown-token' | 'already-started'): KickStart {
    const result = outcome === 'unknown-token' ? 'not-found' : 'refused: already-started';
    if (actor === APPLICATION) this.trail.recordFor(actor, { what: 'bulk-kick', target: job, result });
    return outcome === 'unknown-token' ? { outcome } : { outcome, job };
  }

  async #orLost<Result>(result: Promise<Result>, consequence: string): Promise<Result> {
    return result.catch((error: unknown) => {
      this.membership.failed('request', error);
      throw new HeartbeatError('HEARTBEAT_REDIS_LOST', `Redis does not respond, so ${consequence}`);
    });
  }

  async #record(job: string): Promise<[SharedRecord | null, KickRecord | null]> {
    const read = await this.#orLost(this.records.read(job), 'the state of the job is unknown: try again');
    return [read, read && decodeRecord(read.text)];
  }
}

const NOT_STARTED = {
  state: 'planned',
  actor: null,
  startedAt: null,
  startedBy: null,
  endedAt: null,
  endedBy: null,
  lost: [],
} satisfies Partial<KickRecord>;

/** The selection for the audit trail: the filter, or the number of ids. */
function shown(selection: CheckedSelection): Record<string, unknown> {
  return 'ids' in selection ? { ids: selection.ids.length } : { filter: selection.filter };
}

/** The first of each list, then the second of each, and so on. */
function inTurn(lists: readonly (readonly ConnectionView[])[]): ConnectionView[] {
  return Array.from({ length: MAX_SAMPLE }, (_, place) => lists.flatMap(list => list.slice(place, place + 1))).flat();
}
