import { openSync, readSync } from 'node:fs';

/** Of the thread that opens it: CPU time, time spent waiting for a core, and slices of time (proc(5)); nanoseconds. */
const SCHEDULING = '/proc/thread-self/schedstat';
const MOST_BYTES = 128;

/** How long this thread was ready to run and had no core, since its start; the file stays open as long as the process. */
export class CoreWait {
  static #file: number | null = open();
  readonly #bytes = Buffer.alloc(MOST_BYTES);

  /** Milliseconds; always 0 where the operating system does not tell. */
  ms(): number {
    if (CoreWait.#file === null) return 0;
    const length = readSync(CoreWait.#file, this.#bytes, 0, MOST_BYTES, 0);
    return Number(this.#bytes.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  }
}

function open(): number | null {
  try {
    return openSync(SCHEDULING, 'r');
  } catch {
    return null;
  }
}
