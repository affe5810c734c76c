import { reconnectDelay, type RedisClient } from './redis-clients.js';

/**
 * The time that an attempt has, by the number of failures before it. The server of a Cluster that is queried for the others is chosen at
 * random, and may hang: the first attempts are short, so that two of them and one that succeeds fit into the 5 s of the guarantee after a
 * failover. The last is for slow networks, where no shorter one succeeds.
 */
const ATTEMPTS_MS = [350, 700, 1400, 1400, 2500] as const;

/**
 * One connection that is always kept open. The client reconnects by itself. Faults that it cannot handle (a first attempt that failed, a
 * server that hangs with the connection open, a failover that it has not detected) are handled by a new client that replaces it.
 */
export class RedisConnection {
  #client: RedisClient | null = null;
  #readyAt = 0;
  #isReady = false;
  /** Attempts that failed since the last success. */
  #failures = 0;
  #isOver = false;

  /** @param prepare Prepares a new client after it has connected. Then the client is ready. */
  constructor(
    private readonly make: () => RedisClient,
    private readonly prepare: (client: RedisClient) => Promise<unknown>,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** The client if it accepts commands now; null otherwise. */
  get ready(): RedisClient | null {
    return this.#isReady && this.#client?.isReady === true ? this.#client : null;
  }

  /** The time since the client was ready. 0 while it connects: an attempt has its own deadline, which a slow network needs. */
  ageAt(now: number): number {
    return this.#isReady ? now - this.#readyAt : 0;
  }

  /** Replaces the client. Resolves when the first attempt of the new one has succeeded or failed. */
  async renew(now: number): Promise<void> {
    this.#drop();
    if (this.#isOver) return;
    const startedAt = performance.now();
    let client: RedisClient | null = null;
    try {
      client = this.make();
      this.#client = client;
      // Without a listener an error would end the process.
      client.on('error', error => {
        if (this.#client === client) this.failed(error);
      });
      await this.#attempt(client);
      if (this.#client !== client) return;
      this.#isReady = true;
      this.#readyAt = now + performance.now() - startedAt;
      this.#failures = 0;
    } catch (error) {
      if (this.#client !== client) return;
      this.failed(error);
      this.#drop();
      this.#failures++;
      void this.#again(now, startedAt);
    }
  }

  close(): void {
    this.#isOver = true;
    this.#drop();
  }

  async #attempt(client: RedisClient): Promise<void> {
    const ms = ATTEMPTS_MS[Math.min(this.#failures, ATTEMPTS_MS.length - 1)]!;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no connection within ${ms} ms`)), ms);
      timer.unref();
    });
    try {
      // A client that was replaced while it connected is open again: `destroy` does not end an attempt of the socket.
      const prepared = client.connect().then(() => (this.#client === client ? this.prepare(client) : destroy(client)));
      await Promise.race([prepared, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param startedAt The start of the previous attempt, which was given `now`. The delay counts from it. */
  async #again(now: number, startedAt: number): Promise<void> {
    const spentMs = performance.now() - startedAt;
    const delayMs = Math.max(0, reconnectDelay(this.#failures) - spentMs);
    await new Promise<void>(resolve => setTimeout(resolve, delayMs).unref());
    if (this.#client === null) await this.renew(now + performance.now() - startedAt);
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#isReady = false;
    if (client !== null) destroy(client);
  }
}

/** A client that was never connected cannot be destroyed, and one that is connecting rejects. Both can be ignored. */
function destroy(client: RedisClient): void {
  try {
    const destroyed = client.destroy();
    if (destroyed instanceof Promise) destroyed.catch(() => undefined);
  } catch {
    // The client has already ended.
  }
}
