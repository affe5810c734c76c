import type { FaultKind } from './faults.js';
import { boundMs, type LivenessPromise } from './liveness-bound.js';
import { percentile } from './statistics.js';
import type { Tally } from './tally.js';
import { attendedMs, judgeFaulty, type Circumstances, type Verdict } from './verdict.js';

/** The facts of a run beside its counts. Times are on the machine's monotonic clock. */
export interface RunFacts {
  readonly url: string;
  readonly seed: number;
  readonly connections: number;
  readonly planned: Readonly<Record<FaultKind, number>>;
  readonly promise: LivenessPromise;
  readonly processes: number;
  readonly crashed: number;
  readonly interrupted: boolean;
  readonly begunAt: number;
  /** When looking ended; the leaving after it is not counted. */
  readonly finishedAt: number;
}

/** Durations after the last byte, in time that the server attended, of those whose socket it ended. */
export interface FaultyReport extends Readonly<Record<Verdict, number>> {
  readonly planned: number;
  /** Those that came to be: a refused client never turns faulty. */
  readonly turned: number;
  readonly minMs: number | null;
  readonly medianMs: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
}

export interface Report {
  readonly url: string;
  readonly seed: number;
  readonly processes: number;
  readonly interrupted: boolean;
  readonly totalSeconds: number;
  readonly opened: {
    readonly wanted: number;
    readonly count: number;
    readonly seconds: number;
    readonly perSecond: number;
  };
  readonly refused: Readonly<Record<string, number>>;
  readonly promise: LivenessPromise & { readonly boundMs: number };
  readonly faulty: Readonly<Record<FaultKind, FaultyReport>>;
  /** The moments of `stopped` clients are known to this. */
  readonly precisionMs: number;
  readonly healthy: {
    readonly count: number;
    readonly lost: number;
    readonly lostByCode: Readonly<Record<string, number>>;
    readonly drained: number;
  };
  readonly echo: {
    readonly sent: number;
    readonly answered: number;
    readonly p50Ms: number | null;
    readonly p99Ms: number | null;
    readonly maxMs: number | null;
  };
  readonly absent: { readonly times: number; readonly totalMs: number };
  readonly toolLateMs: number;
  /** Every promise that was broken; empty when all held. */
  readonly broken: readonly string[];
}

export function makeReport(tally: Tally, facts: RunFacts): Report {
  const bound = boundMs(facts.promise);
  const { absences, drainedAt } = tally;
  const circumstances = { boundMs: bound, absences, drainedAt, finishedAt: facts.finishedAt };
  const silent = reportFaulty('silent', tally, facts, circumstances);
  const stopped = reportFaulty('stopped', tally, facts, circumstances);
  const lost = sum(tally.lost.values());
  const notFound = silent.late + silent.missed + stopped.late + stopped.missed;
  const openMs = spanMs(tally.openingSince, tally.lastOpenedAt);
  return {
    url: facts.url,
    seed: facts.seed,
    processes: facts.processes,
    interrupted: facts.interrupted,
    totalSeconds: rounded((facts.finishedAt - facts.begunAt) / 1000),
    opened: {
      wanted: facts.connections,
      count: tally.opened,
      seconds: rounded(openMs / 1000),
      perSecond: openMs === 0 ? 0 : Math.round((tally.opened * 1000) / openMs),
    },
    refused: Object.fromEntries(tally.refused),
    promise: { ...facts.promise, boundMs: bound },
    faulty: { silent, stopped },
    precisionMs: rounded(Math.max(0, ...[...tally.ended.values()].map(({ at, earliestAt }) => at - earliestAt))),
    healthy: {
      count: tally.opened - tally.faulty.size,
      lost,
      lostByCode: Object.fromEntries(tally.lost),
      drained: tally.drained,
    },
    echo: {
      sent: tally.echoesSent,
      answered: tally.echoes.count,
      p50Ms: rounded(tally.echoes.percentile(0.5)),
      p99Ms: rounded(tally.echoes.percentile(0.99)),
      maxMs: rounded(tally.echoes.max),
    },
    absent: { times: absences.length, totalMs: rounded(sum(absences.map(({ from, to }) => to - from))) },
    toolLateMs: rounded(tally.lateMs),
    broken: brokenPromises({ lost, notFound, bound, opened: tally.opened, crashed: facts.crashed }),
  };
}

function reportFaulty(kind: FaultKind, tally: Tally, facts: RunFacts, circumstances: Circumstances): FaultyReport {
  const verdicts = { found: 0, late: 0, missed: 0, undecided: 0, drained: 0 };
  const durations: number[] = [];
  let turned = 0;
  for (const client of tally.faulty.values()) {
    if (client.kind !== kind) continue;
    turned += 1;
    const ended = tally.ended.get(client.index);
    const verdict = judgeFaulty(client, ended, circumstances);
    verdicts[verdict] += 1;
    if (ended === undefined || verdict === 'drained') continue;
    durations.push(attendedMs(client.lastSentAt, ended.at, circumstances.absences));
  }
  durations.sort((left, right) => left - right);
  return {
    planned: facts.planned[kind],
    turned,
    ...verdicts,
    minMs: rounded(durations.at(0) ?? null),
    medianMs: rounded(percentile(durations, 0.5)),
    p99Ms: rounded(percentile(durations, 0.99)),
    maxMs: rounded(durations.at(-1) ?? null),
  };
}

interface Judged {
  readonly lost: number;
  readonly notFound: number;
  readonly bound: number;
  readonly opened: number;
  readonly crashed: number;
}

function brokenPromises({ lost, notFound, bound, opened, crashed }: Judged): string[] {
  const broken: string[] = [];
  if (lost > 0) broken.push(`${lost} healthy client${lost === 1 ? ' was' : 's were'} lost`);
  if (notFound > 0) {
    broken.push(`${notFound} faulty client${notFound === 1 ? ' was' : 's were'} not found within ${bound} ms`);
  }
  if (opened === 0) broken.push('no connection was opened, so nothing was shown');
  if (crashed > 0)
    broken.push(
      `${crashed} load process${crashed === 1 ? '' : 'es'} of this tool ended early, its faulty clients are not judged`,
    );
  return broken;
}

function spanMs(from: number | null, to: number | null): number {
  return from === null || to === null ? 0 : to - from;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** One digit after the point is more than any of this can mean. */
function rounded(value: number): number;
function rounded(value: number | null): number | null;
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10) / 10;
}
