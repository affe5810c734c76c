import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An unread pipe as a server's stdout: its log collector hangs, or has ended. */
export class DeafPipe {
  readonly #folder = mkdtempSync(join(tmpdir(), 'deaf-pipe-'));
  readonly #path = join(this.#folder, 'pipe');
  #end: number | null;

  constructor() {
    execFileSync('mkfifo', [this.#path]);
    // Linux opens a pipe for both directions without waiting for another end (fifo(7)).
    this.#end = openSync(this.#path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** The words to put before a command, for `ServerProcess`, to make this pipe its stdout. */
  get via(): readonly string[] {
    return ['sh', '-c', 'exec "$@" >"$0"', this.#path];
  }

  /** Fills it to the brim. */
  fill(): void {
    try {
      for (;;) writeSync(this.#end ?? -1, Buffer.alloc(4096, '.'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }

  /** From now on writes fail with EPIPE. */
  hangUp(): void {
    if (this.#end !== null) closeSync(this.#end);
    this.#end = null;
  }

  remove(): void {
    this.hangUp();
    rmSync(this.#folder, { recursive: true });
  }
}
