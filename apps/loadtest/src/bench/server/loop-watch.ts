const TICK_MS = 1;

/**
 * How long the event loop was held: the CPU time that the process used between two turns of a timer, since time in which it
 * was not running says nothing of the server. What other threads used beside is cut off by the clock.
 */
export class LoopWatch {
  #timer: NodeJS.Timeout | null = null;
  #longestMs = 0;

  start(): void {
    this.stop();
    this.#longestMs = 0;
    let at = performance.now();
    let cpu = process.cpuUsage();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const used = process.cpuUsage(cpu);
      const heldMs = Math.min((used.user + used.system) / 1000, now - at);
      if (heldMs > this.#longestMs) this.#longestMs = heldMs;
      at = now;
      cpu = process.cpuUsage();
    }, TICK_MS);
  }

  /** Answers the longest stall since the start. */
  stop(): number {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    return this.#longestMs;
  }
}
