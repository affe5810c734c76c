import type { UserCount, UserStatement } from '../messaging/cluster-bus.js';

/** Questions in one message: not too many, since each answer may close a connection in the same turn. */
const ASKS_AT_ONCE = 100;

interface Ask {
  readonly statement: UserStatement;
  readonly answer: (isTaken: boolean) => void;
}

/**
 * Questions for places of users, those of one turn of the event loop together: thousands of connections that identify at once would be
 * as many commands. Questions keep their order, and each is judged by the count of its own moment.
 */
export class UserQuestions {
  #waiting: Ask[] = [];
  #isScheduled = false;

  /** @param send Sends statements; resolves with null where no answer came, and then every place is granted. */
  constructor(private readonly send: (statements: readonly UserStatement[]) => Promise<readonly UserCount[] | null>) {}

  /** Resolves with false where all nodes together have too many connections of the user. Never rejects. */
  ask(statement: UserStatement): Promise<boolean> {
    return new Promise(answer => {
      this.#waiting.push({ statement, answer });
      this.#schedule();
    });
  }

  /** One message in each turn, without waiting for the answer to the one before: a slow Redis must not add up. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const asks = this.#waiting.splice(0, ASKS_AT_ONCE);
      this.#schedule();
      void this.#send(asks);
    });
  }

  async #send(asks: readonly Ask[]): Promise<void> {
    const counts = await this.send(asks.map(({ statement }) => statement));
    for (const [place, { answer }] of asks.entries()) answer(counts?.[place]?.isTaken !== false);
  }
}
