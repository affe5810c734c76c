/** Maximum time for reading messages of other nodes in one turn of the event loop. */
const TURN_MS = 5;
/** Limits for messages that wait for the next turn; more are dropped. */
const MAX_MESSAGES = 10_000;
const MAX_CHARACTERS = 16 * 1024 * 1024;

/**
 * Messages of other nodes, in their order. One read of the network may contain hundreds of messages, each with work for all connections.
 * Messages that do not fit into a turn wait for the next one. Bounded in number and in size.
 */
export class Inbox {
  #waiting: string[] = [];
  /** Number of the waiting messages that were read. */
  #done = 0;
  #characters = 0;
  #spentMs = 0;
  #turn: NodeJS.Immediate | null = null;

  /** @param dropped Called for a message that exceeds the limits. */
  constructor(
    private readonly read: (text: string) => void,
    private readonly dropped: () => void,
  ) {}

  add(text: string): void {
    this.#turn ??= setImmediate(() => this.#next());
    const waiting = this.#waiting.length - this.#done;
    if (waiting === 0 && this.#spentMs < TURN_MS) return this.#readNow(text);
    if (waiting >= MAX_MESSAGES || this.#characters + text.length > MAX_CHARACTERS) return this.dropped();
    this.#waiting.push(text);
    this.#characters += text.length;
  }

  /** Drops the waiting messages. */
  close(): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
    this.#waiting = [];
    this.#done = this.#characters = 0;
  }

  #next(): void {
    this.#turn = null;
    this.#spentMs = 0;
    for (let text; this.#spentMs < TURN_MS && (text = this.#waiting[this.#done]) !== undefined;) {
      this.#done++;
      this.#characters -= text.length;
      this.#readNow(text);
    }
    if (this.#done === this.#waiting.length) {
      this.#waiting = [];
      this.#done = 0;
      return;
    }
    this.#turn ??= setImmediate(() => this.#next());
  }

  #readNow(text: string): void {
    const startedAt = performance.now();
    this.read(text);
    this.#spentMs += performance.now() - startedAt;
  }
}
