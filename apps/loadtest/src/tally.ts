import type { Stretch } from './attendance.js';
import type { FaultKind } from './faults.js';
import type { ServerTiming } from './server-messages.js';
import { DurationHistogram, type HistogramCounts } from './statistics.js';

/** A client that became faulty, and where its socket is found in the kernel's table. */
export interface FaultyClient {
  readonly index: number;
  readonly kind: FaultKind;
  readonly lastSentAt: number;
  readonly end: { readonly address: string; readonly port: number };
}

/** The server ended a faulty client's socket at some moment from `earliestAt` to `at`. */
export interface EndedClient {
  readonly index: number;
  readonly earliestAt: number;
  readonly at: number;
}

type Count = readonly [key: string, count: number];

/** The counts since the last one, in a shape that can be sent between processes. */
export interface TallyDelta {
  readonly openingSince: number | null;
  readonly opened: number;
  readonly lastOpenedAt: number | null;
  readonly refused: readonly Count[];
  readonly lost: readonly Count[];
  readonly drained: number;
  readonly drainedAt: number | null;
  readonly faulty: readonly FaultyClient[];
  readonly ended: readonly EndedClient[];
  readonly echoesSent: number;
  readonly echoes: HistogramCounts;
  readonly absences: readonly Stretch[];
  readonly timing: ServerTiming | null;
  readonly lateMs: number;
}

/**
 * Everything that is counted. The same class counts in a child, which sends what it took, and adds up in the
 * parent: so a report can be made at any moment, and a child that dies takes little with it.
 */
export class Tally {
  /** When the first child was ready to open. */
  openingSince: number | null = null;
  opened = 0;
  lastOpenedAt: number | null = null;
  /** By status and problem type, or the error's code. */
  refused = new Map<string, number>();
  /** Healthy clients that the server ended, by close code. */
  lost = new Map<string, number>();
  /** Healthy clients closed with 1001. */
  drained = 0;
  drainedAt: number | null = null;
  faulty = new Map<number, FaultyClient>();
  ended = new Map<number, EndedClient>();
  echoesSent = 0;
  readonly echoes = new DurationHistogram();
  absences: Stretch[] = [];
  /** The longest that the server named. */
  timing: ServerTiming | null = null;
  /** How late a tick of the tool itself was at worst. */
  lateMs = 0;

  countRefused(reason: string, count = 1): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + count);
  }

  countLost(code: string, count = 1): void {
    this.lost.set(code, (this.lost.get(code) ?? 0) + count);
  }

  countDrained(at: number): void {
    this.drained += 1;
    this.drainedAt ??= at;
  }

  /** The first report of an end counts: a later one is our own clearing up. */
  recordEnd(ended: EndedClient): void {
    if (!this.ended.has(ended.index)) this.ended.set(ended.index, ended);
  }

  /** Discards the record of a faulty client that can no longer be judged. */
  forget(index: number): void {
    this.faulty.delete(index);
    this.ended.delete(index);
  }

  recordTiming({ intervalMs, timeoutMs }: ServerTiming): void {
    this.timing = {
      intervalMs: Math.max(intervalMs, this.timing?.intervalMs ?? 0),
      timeoutMs: Math.max(timeoutMs, this.timing?.timeoutMs ?? 0),
    };
  }

  recordLateness(ms: number): void {
    this.lateMs = Math.max(this.lateMs, ms);
  }

  add(delta: TallyDelta): void {
    this.openingSince = earliest(this.openingSince, delta.openingSince);
    this.opened += delta.opened;
    this.lastOpenedAt = latest(this.lastOpenedAt, delta.lastOpenedAt);
    for (const [reason, count] of delta.refused) this.countRefused(reason, count);
    for (const [code, count] of delta.lost) this.countLost(code, count);
    this.drained += delta.drained;
    this.drainedAt = earliest(this.drainedAt, delta.drainedAt);
    for (const client of delta.faulty) this.faulty.set(client.index, client);
    for (const ended of delta.ended) this.recordEnd(ended);
    this.echoesSent += delta.echoesSent;
    this.echoes.add(delta.echoes);
    this.absences.push(...delta.absences);
    if (delta.timing !== null) this.recordTiming(delta.timing);
    this.recordLateness(delta.lateMs);
  }

  /** The counts since the last take; they restart at zero, the times and extremes stay. */
  take(): TallyDelta {
    const delta: TallyDelta = {
      openingSince: this.openingSince,
      opened: this.opened,
      lastOpenedAt: this.lastOpenedAt,
      refused: [...this.refused],
      lost: [...this.lost],
      drained: this.drained,
      drainedAt: this.drainedAt,
      faulty: [...this.faulty.values()],
      ended: [...this.ended.values()],
      echoesSent: this.echoesSent,
      echoes: this.echoes.take(),
      absences: this.absences,
      timing: this.timing,
      lateMs: this.lateMs,
    };
    this.opened = 0;
    this.refused = new Map();
    this.lost = new Map();
    this.drained = 0;
    this.faulty = new Map();
    this.ended = new Map();
    this.echoesSent = 0;
    this.absences = [];
    return delta;
  }
}

function latest(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.max(left, right);
}

function earliest(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}
