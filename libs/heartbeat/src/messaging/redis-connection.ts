import { setTimeout as sleep } from 'node:timers/promises';

import { reconnectDelay, type RedisClient } from './redis-clients.js';

/**
 * A first attempt that takes longer has failed, since the server of a Cluster that is asked for the others may be one that hangs. Where
 * the line is just slow the next has twice as long, up to so much.
 */
const FIRST_ATTEMPT_MS = 700;
const LONGEST_ATTEMPT_MS = 5000;

/**
 * One connection that is always wanted. The client reconnects by itself; what it cannot heal (a first attempt that failed, a
 * server that hangs with the connection open, a failover that it has not noticed) is healed by a new client in its place.
 */
export class RedisConnection {
  #client: RedisClient | null = null;
  #madeAt = 0;
  #isReady = false;
  /** Attempts that failed since the last that did not. */
  #failures = 0;
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
    const ms = Math.min(LONGEST_ATTEMPT_MS, FIRST_ATTEMPT_MS * 2 ** Math.min(this.#failures, 10));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no connection within ${ms} ms`)), ms);
      timer.unref();
    });
    try {
      await Promise.race([client.connect().then(() => this.prepare(client)), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param startedAt When the attempt before began that was given `now`. */
  async #again(now: number, startedAt: number): Promise<void> {
    await sleep(reconnectDelay(this.#failures), undefined, { ref: false });
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
