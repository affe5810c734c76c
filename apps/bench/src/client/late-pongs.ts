import type { BenchClient } from './bench-client.js';

const TICK_MS = 5;
/** 5 to 80 ms: what lies between a server and its clients. */
const SLOTS = 16;

/** Pongs that are sent a random while after their pings, with one timer for all. */
export class LatePongs {
  readonly #slots: BenchClient[][] = Array.from({ length: SLOTS + 1 }, () => []);
  readonly #pong: Buffer;
  #at = 0;

  constructor(pong: Buffer) {
    this.#pong = pong;
    setInterval(() => this.#tick(), TICK_MS);
  }

  add(client: BenchClient): void {
    const later = 1 + Math.floor(Math.random() * SLOTS);
    this.#slots[(this.#at + later) % this.#slots.length]?.push(client);
  }

  #tick(): void {
    this.#at = (this.#at + 1) % this.#slots.length;
    const due = this.#slots[this.#at] ?? [];
    this.#slots[this.#at] = [];
    for (const client of due) if (client.isOpen) client.send(this.#pong);
  }
}
