import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './clock.js';
import { Workers, type WorkersListener } from './workers.js';
import type { FleetOrder } from './messages.js';
import type { Progress, ProgressView } from './progress.js';
import { DurationHistogram } from './statistics.js';
import { StoppedWatch } from './stopped-watch.js';
import { Tally, type TallyDelta } from './tally.js';

export interface LoadRunRequest {
  readonly orders: readonly FleetOrder[];
  readonly seconds: number;
  /** The opening is given up after this. */
  readonly openWithinMs: number;
  readonly serverPort: number;
  readonly faultyPlanned: number;
}

/** When a run began and stopped looking, on the machine's monotonic clock. */
export interface LoadRunSpan {
  readonly begunAt: number;
  readonly finishedAt: number;
  /** Processes of our own that ended early. */
  readonly crashed: number;
}

const STEP_MS = 100;
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const SCAN_EVERY_MS = 250;
/** The kernel takes time to write tens of thousands of rows: at most a tenth of the run is spent on it. */
const SCAN_SHARE = 10;

/** One run, from the first connection to the end of the last child: open, run, check once more, close. */
export class LoadRun implements WorkersListener {
  readonly tally = new Tally();
  readonly #request: LoadRunRequest;
  readonly #progress: Progress;
  readonly #watch: StoppedWatch;
  readonly #workers: Workers;
  readonly #begunAt = monotonicMs();
  #recentEchoes = new DurationHistogram();
  #nextScanAt = 0;
  #crashed = 0;

  constructor(request: LoadRunRequest, progress: Progress) {
    this.#request = request;
    this.#progress = progress;
    this.#watch = new StoppedWatch(request.serverPort);
    this.#workers = new Workers(request.orders, this);
  }

  /** An interrupted run leaves early, and what it has seen so far stands. */
  async complete(interruption: AbortSignal): Promise<LoadRunSpan> {
    const { openWithinMs, seconds } = this.#request;
    await this.#pass(this.#begunAt + openWithinMs, () => interruption.aborted || this.#workers.settled);
    const startedAt = monotonicMs();
    this.#workers.tell({ kind: 'run', startedAt });
    await this.#pass(startedAt + seconds * 1000, () => interruption.aborted || this.#workers.open === 0);

    // Twice, because an absence from the table counts from the second check on.
    this.#scan();
    this.#scan();
    const finishedAt = monotonicMs();
    await this.#workers.finish();
    this.#progress.finish();
    return { begunAt: this.#begunAt, finishedAt, crashed: this.#crashed };
  }

  kill(): void {
    this.#workers.kill();
  }

  counted(delta: TallyDelta): void {
    this.tally.add(delta);
    this.#recentEchoes.add(delta.echoes);
    for (const { kind, index, end, lastSentAt } of delta.faulty) {
      if (kind === 'stopped') this.#watch.add(index, end, lastSentAt);
    }
  }

  /** The kernel ended its clients when it died: that is no result of the server. */
  crashed({ faults }: FleetOrder): void {
    this.#crashed += 1;
    for (const { index } of faults) {
      this.tally.forget(index);
      this.#watch.forget(index);
    }
  }

  async #pass(until: number, isOver: () => boolean): Promise<void> {
    for (let now = monotonicMs(); now < until && !isOver(); now = monotonicMs()) {
      if (this.#watch.size > 0 && now >= this.#nextScanAt) this.#scan();
      this.#progress.tick(now, () => this.#view(now));
      await sleep(Math.min(STEP_MS, until - now));
    }
  }

  /** Reads the kernel's table; the parent does it for all children, because the table has all sockets. */
  #scan(): void {
    if (this.#watch.size === 0) return;
    const now = monotonicMs();
    const ends = this.#watch.examine(TABLES.map(readTable), now);
    for (const end of ends) this.tally.recordEnd(end);
    if (ends.length > 0) this.#workers.tell({ kind: 'release', indices: ends.map(({ index }) => index) });
    const tookMs = monotonicMs() - now;
    this.#nextScanAt = now + Math.max(SCAN_EVERY_MS, tookMs * SCAN_SHARE);
  }

  #view(now: number): ProgressView {
    const recent = this.#recentEchoes;
    this.#recentEchoes = new DurationHistogram();
    return {
      elapsedMs: now - this.#begunAt,
      open: this.#workers.open,
      opening: this.#workers.opening,
      refused: total(this.tally.refused),
      faultyFound: this.tally.ended.size,
      faultyPlanned: this.#request.faultyPlanned,
      healthyLost: total(this.tally.lost),
      echoP50Ms: recent.percentile(0.5),
      echoP99Ms: recent.percentile(0.99),
    };
  }
}

/** A kernel without IPv6 has no second table. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
