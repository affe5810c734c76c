import type { UserCount, UserStatement } from '../messaging/cluster-bus.js';

/** Requests in one message. Few, since each reply may close a connection in the same turn. */
const REQUESTS_AT_ONCE = 100;

interface SlotRequest {
  readonly statement: UserStatement;
  readonly reply: (isTaken: boolean) => void;
}

/**
 * Requests for slots of users. Those of one turn of the event loop share one message: thousands of connections that identify at once would
 * be as many commands. Requests keep their order, and each is decided by the count at its own time.
 */
export class SlotRequests {
  #waiting: SlotRequest[] = [];
  #isScheduled = false;

  /** @param send Sends statements. Resolves with null without a reply; then every slot is granted. */
  constructor(private readonly send: (statements: readonly UserStatement[]) => Promise<readonly UserCount[] | null>) {}

  /** Resolves with false where all nodes together have reached the limit of the user. Never rejects. */
  request(statement: UserStatement): Promise<boolean> {
    return new Promise(reply => {
      this.#waiting.push({ statement, reply });
      this.#schedule();
    });
  }

  /** One message in each turn, without waiting for the previous reply: the delays of a slow Redis must not add up. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const requests = this.#waiting.splice(0, REQUESTS_AT_ONCE);
      this.#schedule();
      void this.#send(requests);
    });
  }

  async #send(requests: readonly SlotRequest[]): Promise<void> {
    const counts = await this.send(requests.map(({ statement }) => statement));
    for (const [index, { reply }] of requests.entries()) reply(counts?.[index]?.isTaken !== false);
  }
}
