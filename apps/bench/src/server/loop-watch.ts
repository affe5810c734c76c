import { coreWaitMs } from './core-wait.js';

const TICK_MS = 1;

/**
 * How long the event loop was held: the CPU time that the process used between two turns of a timer, since time in which it
 * was not running is no property of the server. The time of other threads is cut off by the clock, less the time in which the
 * loop's own thread waited for a core.
 */
export class LoopWatch {
  #timer: NodeJS.Timeout | null = null;
  #longestMs = 0;

  start(): void {
    this.stop();
    this.#longestMs = 0;
    let [at, cpu, waited] = [performance.now(), process.cpuUsage(), coreWaitMs()];
    this.#timer = setInterval(() => {
      const [now, used, waitedNow] = [performance.now(), process.cpuUsage(cpu), coreWaitMs()];
      const heldMs = Math.min((used.user + used.system) / 1000, now - at - (waitedNow - waited));
      if (heldMs > this.#longestMs) this.#longestMs = heldMs;
      [at, cpu, waited] = [now, process.cpuUsage(), waitedNow];
    }, TICK_MS);
  }

  /** Returns the longest stall since the start. */
  stop(): number {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    return this.#longestMs;
  }
}
