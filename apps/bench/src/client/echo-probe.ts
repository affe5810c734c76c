import { monotonicMs } from '../../../loadtest/src/clock.js';
import { DurationHistogram } from '../../../loadtest/src/statistics.js';
import type { BenchClient } from './bench-client.js';

/** Milliseconds from a message to its echo. */
export interface EchoTimes {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly count: number;
}

/** Requests echoes at a steady pace, whether or not the server responds: also during a stall of the server. */
export class EchoProbe {
  readonly #timer: NodeJS.Timeout;
  readonly #askedAt: Map<BenchClient, number[]>;
  readonly #times = new DurationHistogram();

  constructor(clients: readonly BenchClient[], message: Buffer, everyMs: number) {
    this.#askedAt = new Map(clients.map(client => [client, []]));
    const startedAt = monotonicMs();
    const stepMs = everyMs / clients.length;
    let asked = 0;
    this.#timer = setInterval(() => {
      for (const due = (monotonicMs() - startedAt) / stepMs; asked < due; asked += 1) {
        const client = clients[asked % clients.length];
        if (!client?.isOpen) continue;
        this.#askedAt.get(client)?.push(monotonicMs());
        client.send(message);
      }
    }, 1);
  }

  answered(client: BenchClient): void {
    const askedAt = this.#askedAt.get(client)?.shift();
    if (askedAt !== undefined) this.#times.record(monotonicMs() - askedAt);
  }

  stop(): EchoTimes {
    clearInterval(this.#timer);
    const at = (share: number): number => this.#times.percentile(share) ?? Number.NaN;
    return {
      p50Ms: at(0.5),
      p90Ms: at(0.9),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: this.#times.max ?? Number.NaN,
      count: this.#times.count,
    };
  }
}
