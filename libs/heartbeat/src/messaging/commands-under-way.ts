/** Maximum size of messages and commands without a reply from Redis. More are rejected. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Maximum of commands without a reply from Redis. A command above it fails, which is no sign that Redis is lost. */
const MAX_COMMANDS = 10_000;

/** Counts what was sent to Redis and has no reply yet, so that nothing accumulates without a limit. */
export class CommandsUnderWay {
  #bytes = 0;
  #commands = 0;

  /**
   * Counts a command, and returns the function that ends this.
   * @param isUrgent Urgent commands have no limit.
   * @throws Error for a command above a limit.
   */
  add(bytes: number, isUrgent: boolean): () => void {
    if (this.#bytes + bytes > MAX_BYTES && !isUrgent) throw new Error('Redis does not take messages fast enough');
    if (this.#commands >= MAX_COMMANDS && !isUrgent) throw new Error('too many commands wait for Redis');
    this.#commands++;
    this.#bytes += bytes;
    return () => {
      this.#commands--;
      this.#bytes -= bytes;
    };
  }
}
