/** Where the run stands. */
export interface ProgressView {
  readonly elapsedMs: number;
  readonly open: number;
  readonly opening: number;
  readonly refused: number;
  /** Faulty clients that the server ended. */
  readonly faultyFound: number;
  readonly faultyPlanned: number;
  /** Healthy ones that it ended. */
  readonly healthyLost: number;
  /** Of the time since the last line. */
  readonly echoP50Ms: number | null;
  readonly echoP99Ms: number | null;
}

/** The part of a stream that progress needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const EVERY_MS_ON_TERMINAL = 1_000;
const EVERY_MS_ELSEWHERE = 5_000;
const BACK_TO_START = '\r\u001b[K';

/** Short enough for a terminal of 80 columns with some thousand clients. */
export function progressLine(view: ProgressView): string {
  return [
    `${Math.round(view.elapsedMs / 1000)} s`,
    `open ${view.open} opening ${view.opening} refused ${view.refused}`,
    `found ${view.faultyFound}/${view.faultyPlanned} lost ${view.healthyLost}`,
    `echo p50 ${digits(view.echoP50Ms)} p99 ${digits(view.echoP99Ms)} ms`,
  ].join(' | ');
}

/** On a terminal one line that is written over, elsewhere a line now and then. */
export class Progress {
  readonly #stream: ProgressStream;
  #nextAt: number | null = null;
  #unfinishedLine = false;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  /** Writes when it is time to; `view` is asked for only then. */
  tick(now: number, view: () => ProgressView): void {
    const everyMs = this.#stream.isTTY === true ? EVERY_MS_ON_TERMINAL : EVERY_MS_ELSEWHERE;
    this.#nextAt ??= now + everyMs;
    if (now < this.#nextAt) return;
    this.#nextAt = now + everyMs;
    const line = progressLine(view());
    if (this.#stream.isTTY !== true) {
      this.#stream.write(`${line}\n`);
      return;
    }
    // A line that wraps could not be written over.
    this.#stream.write(BACK_TO_START + line.slice(0, (this.#stream.columns ?? 80) - 1));
    this.#unfinishedLine = true;
  }

  /** Leaves the cursor at the start of a line. */
  finish(): void {
    if (this.#unfinishedLine) this.#stream.write(BACK_TO_START);
    this.#unfinishedLine = false;
  }
}

function digits(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}
