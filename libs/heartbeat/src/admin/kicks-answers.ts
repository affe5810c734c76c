import type { KickJob, KickPlan } from '../kicks/kick.types.js';

/** The response of `POST kicks` to a dry run. */
export interface KickPlanView extends Omit<KickPlan, 'expiresAt'> {
  readonly expiresAt: string;
}

/** The response of `POST kicks` to a token. */
export interface KickStarted {
  readonly job: string;
}

/** The response of `GET kicks/:job` and `DELETE kicks/:job`. */
export interface KickJobView extends Omit<KickJob, 'startedAt' | 'endedAt'> {
  readonly startedAt: string;
  /** Null until every share has ended. */
  readonly endedAt: string | null;
}

export function shownPlan({ expiresAt, ...plan }: KickPlan): KickPlanView {
  return { ...plan, expiresAt: expiresAt.toISOString() };
}

export function shownJob({ startedAt, endedAt, nodes, ...job }: KickJob): KickJobView {
  return { ...job, startedAt: startedAt.toISOString(), endedAt: endedAt?.toISOString() ?? null, nodes };
}
