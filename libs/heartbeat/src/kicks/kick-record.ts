import { createHash, randomBytes } from 'node:crypto';

import { z } from 'zod';

import { wireCount, wireId, wireText } from '../base/wire-values.js';
import { parseBy } from '../messaging/wire.js';
import { auditActor } from '../node/audit-entry.js';
import { DEFAULT_PER_SECOND } from './kick-settings.js';
import type { BulkKickOptions, KickCounts, KickJob, KickJobNode } from './kick.types.js';

const options: z.ZodType<BulkKickOptions> = z.object({
  reason: wireText.exactOptional(),
  reconnect: z.boolean().exactOptional(),
  banForMs: z.number().exactOptional(),
  perSecond: z.number().exactOptional(),
});

/** A bulk kick as all nodes share it: see `SharedRecords`. Times are epoch milliseconds. */
const record = z.object({
  state: z.enum(['planned', 'running', 'stopping', 'ended']),
  /** Selection and matches, for the audit trail. */
  selection: z.record(z.string(), z.unknown()),
  options,
  /** The nodes that the token is bound to, with their matches. */
  nodes: z.array(z.tuple([wireId, wireCount])),
  actor: auditActor.nullable(),
  startedAt: z.number().nullable(),
  /** The node that took the token, and the node that recorded the end. Each of them makes the entry of the audit trail. */
  startedBy: wireId.nullable(),
  endedAt: z.number().nullable(),
  endedBy: wireId.nullable(),
  /** Nodes that ended before their share. */
  lost: z.array(wireId),
});
export type KickRecord = Readonly<z.output<typeof record>>;

const report = z.object({
  state: z.enum(['running', 'stopped', 'done', 'lost']),
  closed: wireCount,
  gone: wireCount,
  failed: wireCount,
  bans: wireCount,
});
export type KickReport = Readonly<z.output<typeof report>>;

export const NO_COUNTS: KickCounts = { closed: 0, gone: 0, failed: 0, bans: 0 };

/** A token for the requester, and the id of its job. The token cannot be derived from the id, which viewers see. */
export function newToken(): { readonly token: string; readonly job: string } {
  const token = randomBytes(24).toString('base64url');
  return { token, job: jobOfToken(token) };
}

export function jobOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 24);
}

/** Whether a text may be the id of a job. */
export function isJobId(text: string): boolean {
  return /^[0-9a-f]{24}$/.test(text);
}

export function encodeRecord(given: KickRecord): string {
  return JSON.stringify(given);
}

/** Returns null for a text that is not a record. */
export function decodeRecord(text: string): KickRecord | null {
  return parseBy(record, text);
}

export function encodeReport(given: KickReport): string {
  return JSON.stringify(given);
}

/** The reports that can be read. */
export function decodeReports(reports: ReadonlyMap<string, string>): ReadonlyMap<string, KickReport> {
  const read = [...reports].map(([nodeId, text]) => [nodeId, parseBy(report, text)] as const);
  return new Map(read.filter((entry): entry is readonly [string, KickReport] => entry[1] !== null));
}

/** The part of `perSecond` of a node with `own` of `all` connections. So all nodes end at the same time. */
export function partOf({ options: { perSecond = DEFAULT_PER_SECOND }, nodes }: KickRecord, own: number): number {
  const all = nodes.reduce((sum, [, matched]) => sum + matched, 0);
  return (perSecond * own) / Math.max(1, all);
}

/** A started kick as a viewer sees it. @param lost Nodes that have ended. */
export function jobView(
  job: string,
  given: KickRecord,
  reports: ReadonlyMap<string, KickReport>,
  lost: readonly string[] = given.lost,
): KickJob {
  const nodes = given.nodes.map(([node, matched]) => nodeView(node, matched, reports.get(node), lost.includes(node)));
  const sum = (key: keyof KickCounts | 'matched' | 'lost') => nodes.reduce((total, node) => total + node[key], 0);
  const { startedAt, endedAt } = given;
  return {
    job,
    state: stateOf(given, nodes),
    matched: sum('matched'),
    closed: sum('closed'),
    gone: sum('gone'),
    failed: sum('failed'),
    lost: sum('lost'),
    bans: sum('bans'),
    perSecond: given.options.perSecond ?? DEFAULT_PER_SECOND,
    startedAt: new Date(startedAt ?? 0),
    endedAt: endedAt === null ? null : new Date(endedAt),
    nodes,
  };
}

function nodeView(node: string, matched: number, known: KickReport | undefined, isGone: boolean): KickJobNode {
  const { closed, gone, failed, bans } = known ?? NO_COUNTS;
  const state = known?.state ?? 'waiting';
  const isLost = state === 'lost' || (isGone && (state === 'waiting' || state === 'running'));
  const lost = isLost ? Math.max(0, matched - closed - gone - failed) : 0;
  return { node, state: isLost ? 'lost' : state, matched, closed, gone, failed, lost, bans };
}

function stateOf({ state }: KickRecord, nodes: readonly KickJobNode[]): KickJob['state'] {
  const isOver = nodes.every(node => !isOpen(node));
  if (state === 'stopping' && !isOver) return 'stopped';
  if (nodes.some(node => node.state === 'stopped')) return 'stopped';
  return isOver ? 'done' : 'running';
}

/** Whether a share has not ended. */
export function isOpen({ state }: Pick<KickJobNode, 'state'>): boolean {
  return state === 'waiting' || state === 'running';
}
