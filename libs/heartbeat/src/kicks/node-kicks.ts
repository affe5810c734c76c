import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { z } from 'zod';

import { wireId } from '../base/wire-values.js';
import { ConnectionService } from '../connection/connection.service.js';
import { ClientBans } from '../connection/ports.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeMessages } from '../messaging/node-messages.js';
import { withTimeout } from '../messaging/with-timeout.js';
import { AuditTrail } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import { BoundConnections } from './bound-connections.js';
import { endEntry, startEntry } from './kick-audit.js';
import {
  decodeRecord,
  decodeReports,
  encodeRecord,
  encodeReport,
  isOpen,
  jobView,
  type KickRecord,
  type KickReport,
  NO_COUNTS,
  partOf,
} from './kick-record.js';
import { KickRecords } from './kick-records.js';
import { KickShare } from './kick-share.js';
import type { KickJob, KickJobNode } from './kick.types.js';

/** Time that a record is kept after its last change or report. */
export const KEPT_MS = 3600 * 1000;
/** Time after an outage of Redis in which no node counts as ended: its nodes renew their leases within it. */
const STEADY_MS = 5000;
/** Records of tokens that were not taken are read in every so many seconds: the message about the start may be lost. */
const SECONDS_PER_READ = 5;
/** Time that the end of the process waits for the last reports. */
const LAST_REPORT_MS = 400;

/** The message that the record of a job has changed. */
export const kickChanged = z.object({ job: wireId });

/** A job that this node works on, or whose start it was asked for. */
interface Job {
  /** As the store had it last. */
  text: string;
  record: KickRecord;
  reports: ReadonlyMap<string, KickReport>;
  share: KickShare | null;
  /** Whether this node no longer has its list of connections. */
  isLost: boolean;
  isStartRecorded: boolean;
}

/**
 * This node's part in bulk kicks. The record of a job in the store states what is to be done. Each node reads it once a second while it has
 * a part in it, and reports its progress. Messages only make that faster. So no node depends on another one, a lost message delays a job by
 * seconds at most, and a share continues while Redis is lost.
 */
@Injectable()
export class NodeKicks implements BeforeApplicationShutdown {
  readonly #jobs = new Map<string, Job>();
  /** The last read of each job that has not ended. */
  readonly #reads = new Map<string, Promise<void>>();
  #endSeconds: (() => void) | null = null;
  #seconds = 0;
  #steadySince = -Infinity;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly bans: ClientBans,
    private readonly bound: BoundConnections,
    private readonly records: KickRecords,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    private readonly messages: NodeMessages,
    private readonly trail: AuditTrail,
  ) {
    messages.handle('kick-changed', kickChanged, ({ job }) => void this.read(job));
    membership.renewals.subscribe(({ isNew }) => {
      if (isNew) this.#steadySince = node.clock.now();
    });
    bound.added.subscribe(() => this.#watch());
  }

  /** The process ends: its connections have ended. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#endSeconds?.();
    for (const { share } of this.#jobs.values()) share?.abandon();
    const reads = Promise.all([...this.#jobs.keys()].map(job => this.read(job)));
    await withTimeout(reads, LAST_REPORT_MS, 'Redis').catch(() => undefined);
  }

  /** Follows a job that this node was asked to start, to its end. */
  follow(job: string, text: string): void {
    if (this.#jobs.has(job)) return;
    const record = decodeRecord(text)!;
    this.#jobs.set(job, { text, record, reports: new Map(), share: null, isLost: false, isStartRecorded: false });
    this.#watch();
  }

  /** Announces a change of a record, and applies it here. */
  async changed(job: string): Promise<void> {
    this.messages.send(null, 'kick-changed', { job });
    await this.read(job);
  }

  /** Reads the record of a job, and does what it states. Reports the own progress. */
  read(id: string): Promise<void> {
    const read = this.#readAfter(this.#reads.get(id), id).finally(() => {
      if (this.#reads.get(id) === read) this.#reads.delete(id);
    });
    this.#reads.set(id, read);
    return read;
  }

  /** A job as this node knows it, for the time in which Redis is lost. */
  known(id: string): KickJob | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined || job.record.state === 'planned') return undefined;
    const own = reportOf(job);
    const reports = own === null ? job.reports : new Map([...job.reports, [this.node.id, own]]);
    return jobView(id, job.record, reports);
  }

  /** The nodes whose share has not ended, and never will. */
  async lostNodes(record: KickRecord, reports: ReadonlyMap<string, KickReport>): Promise<readonly string[]> {
    if (record.state === 'ended') return record.lost;
    const { nodes } = jobView('', record, reports);
    const open = nodes.filter(node => isOpen(node) && node.node !== this.node.id).map(({ node }) => node);
    const isSteady = !this.node.clusterLost && this.node.clock.now() - this.#steadySince >= STEADY_MS;
    if (open.length === 0 || !isSteady) return [];
    const living = new Set((await this.directory.others()).map(({ id }) => id));
    return open.filter(id => !living.has(id));
  }

  /** Reads of a record follow one another. */
  async #readAfter(previous: Promise<void> | undefined, id: string): Promise<void> {
    await previous;
    try {
      await this.#read(id);
    } catch (error) {
      this.membership.failed('request', error);
    }
  }

  async #read(id: string): Promise<void> {
    const job = this.#jobs.get(id);
    const own = job === undefined ? null : reportOf(job);
    const read =
      job === undefined || own === null
        ? await this.records.read(id)
        : await this.records.report(id, {
            nodeId: this.node.id,
            report: encodeReport(own),
            text: job.text,
            keepMs: KEPT_MS,
          });
    const record = read && decodeRecord(read.text);
    if (read === null || record === null || record.state === 'planned') return void this.#jobs.delete(id);
    const matched = record.nodes.find(([nodeId]) => nodeId === this.node.id)?.[1];
    if (job === undefined && (matched === undefined || record.state === 'ended')) return void this.bound.take(id);
    const state = { text: read.text, record, reports: decodeReports(read.reports) };
    const known: Job = Object.assign(job ?? { share: null, isLost: false, isStartRecorded: false }, state);
    this.#jobs.set(id, known);
    this.#watch();
    if (matched !== undefined && own === null) this.#begin(id, known, matched);
    await this.#apply(id, known);
    const now = this.#jobs.has(id) ? reportOf(known) : null;
    if (now !== null && now.state !== own?.state) await this.#read(id);
  }

  /** Begins the share of this node. */
  #begin(id: string, job: Job, matched: number): void {
    const serials = this.bound.take(id);
    if (serials === null) {
      job.isLost = true;
      return;
    }
    const { options, actor } = job.record;
    const work = { serials, options, by: actor?.who ?? 'application', perSecond: partOf(job.record, matched) };
    const { node, connections, bans } = this;
    job.share = new KickShare({ node, connections, bans }, work, () => void this.read(id));
    if (job.record.state === 'running') job.share.begin();
  }

  async #apply(id: string, job: Job): Promise<void> {
    const { record, text, share } = job;
    if (record.startedBy === this.node.id && !job.isStartRecorded) {
      job.isStartRecorded = true;
      this.trail.recordFor(...startEntry(id, record));
    }
    if (record.state !== 'running') share?.stop();
    if (record.state === 'ended') {
      if (record.endedBy === this.node.id) this.trail.recordFor(...endEntry(jobView(id, record, job.reports), record));
      this.#jobs.delete(id);
      return;
    }
    const lost = await this.lostNodes(record, job.reports);
    const { nodes } = jobView(id, record, job.reports, lost);
    if (this.#seconds % SECONDS_PER_READ === 0) this.#remind(id, nodes);
    if (nodes.some(isOpen)) return;
    const endedAt = Math.round(this.membership.storeTime(this.node.clock.now()));
    const ended: KickRecord = { ...record, state: 'ended', endedAt, endedBy: this.node.id, lost: [...lost] };
    if (await this.records.change(id, text, encodeRecord(ended), KEPT_MS)) await this.#read(id);
  }

  /** Announces a job again to nodes that have not begun: without its list of connections, a node reads no record by itself. */
  #remind(job: string, nodes: readonly KickJobNode[]): void {
    for (const { node, state } of nodes) if (state === 'waiting') this.messages.send(node, 'kick-changed', { job });
  }

  /** Reads the records each second, while there are any to read. */
  #watch(): void {
    this.#endSeconds ??= this.node.seconds.every(() => this.#second());
  }

  #second(): void {
    this.bound.expire();
    this.#seconds++;
    const waiting = this.#seconds % SECONDS_PER_READ === 0 ? this.bound.jobs() : [];
    for (const id of [...this.#jobs.keys(), ...waiting]) if (!this.#reads.has(id)) void this.read(id);
    if (this.#jobs.size > 0 || this.bound.jobs().length > 0) return;
    this.#endSeconds?.();
    this.#endSeconds = null;
  }
}

/** The report of this node; null where it has no part in the job. */
function reportOf({ share, isLost }: Job): KickReport | null {
  if (isLost) return { state: 'lost', ...NO_COUNTS };
  return share?.report ?? null;
}
