import { APPLICATION, type AuditActor, type AuditChange } from '../node/audit-entry.js';
import type { KickRecord } from './kick-record.js';
import type { KickJob } from './kick.types.js';

/** The entry of the audit trail about the start of a job. */
export function startEntry(job: string, { selection, options, nodes, actor }: KickRecord): [AuditActor, AuditChange] {
  const matched = nodes.reduce((sum, [, own]) => sum + own, 0);
  const parameters = { ...selection, ...options, matched };
  return [actor ?? APPLICATION, { what: 'bulk-kick', target: job, result: 'done', parameters }];
}

/** The entry about its end, with its numbers. The actor is that of the start. */
export function endEntry(view: KickJob, { actor }: Pick<KickRecord, 'actor'>): [AuditActor, AuditChange] {
  const { job, state, matched, closed, gone, failed, lost, bans } = view;
  const after = { state, matched, closed, gone, failed, lost, bans };
  return [actor ?? APPLICATION, { what: 'bulk-kick-end', target: job, result: 'done', after }];
}
