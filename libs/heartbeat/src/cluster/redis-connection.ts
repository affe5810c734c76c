import { setTimeout as sleep } from 'node:timers/promises';

import { reconnectDelay, type RedisClient } from './redis-clients.js';

/** An attempt that takes longer has failed: a server of a Cluster that hangs may be the one that was asked for the others. */
const ATTEMPT_MS = 2000;

/**
 * One connection that is always wanted. The client reconnects by itself; what it cannot heal (a first attempt that failed, a
 * server that hangs with the connection open, a failover that it has not noticed) is healed by a new client in its place.
 */
export class RedisConnection {
  #client: RedisClient | null = null;
  #madeAt = 0;
  #isReady = false;
  #isOver = false;

  /** @param prepare What to do with a new client that is connected; it counts as ready after that. */
  constructor(
    private readonly make: () => RedisClient,
    private readonly prepare: (client: RedisClient) => Promise<unknown>,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** The client if it can be asked now. */
  get ready(): RedisClient | null {
    return this.#isReady && this.#client?.isReady === true ? this.#client : null;
  }

  /** How long the client of now has been there. */
  ageAt(now: number): number {
    return now - this.#madeAt;
  }

  /** Puts a new client in the place of the old one, if any. Resolves when its first attempt has ended, well or not. */
  async renew(now: number): Promise<void> {
    this.#drop();
    if (this.#isOver) return;
    this.#madeAt = now;
    let client: RedisClient | null = null;
    try {
      client = this.make();
      this.#client = client;
      // Without a listener an error would end the process.
      client.on('error', error => {
        if (this.#client === client) this.failed(error);
      });
      await this.#attempt(client);
      if (this.#client === client) this.#isReady = true;
    } catch (error) {
      if (this.#client !== client) return;
      this.failed(error);
      this.#drop();
      void this.#again(now);
    }
  }

  close(): void {
    this.#isOver = true;
    this.#drop();
  }

  async #attempt(client: RedisClient): Promise<void> {
    const over = new AbortController();
    const late = sleep(ATTEMPT_MS, undefined, { ref: false, signal: over.signal }).then(() => {
      throw new Error(`no connection within ${ATTEMPT_MS} ms`);
    });
    const attempt = client.connect().then(() => this.prepare(client));
    try {
      await Promise.race([attempt, late]);
    } finally {
      over.abort();
    }
  }

  async #again(now: number): Promise<void> {
    const startedAt = performance.now();
    await sleep(reconnectDelay(3), undefined, { ref: false });
    if (this.#client === null) await this.renew(now + performance.now() - startedAt);
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#isReady = false;
    if (client === null) return;
    // A client that was never connected cannot be destroyed, and one that is being connected rejects; neither matters any more.
    try {
      const destroyed = client.destroy();
      if (destroyed instanceof Promise) destroyed.catch(() => undefined);
    } catch {
      // It is gone, which is what was asked for.
    }
  }
}
