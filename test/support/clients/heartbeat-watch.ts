import { type Clients, machineMs } from './clients.js';

/** The second of tolerance for a heartbeat (docs/guarantees.md, Liveness); more is late. */
const IN_TIME_MS = 1000;
/** The control is one server and one group of several that share the machine: the unluckiest of all waits longer. */
const TIMES_USUAL = 4;
/** However busy the machine, it explains no more than this share of an interval: beyond it a ping was left out. */
const MOST_OF_INTERVAL = 0.5;

/** The results of clients that only answered pings. */
export interface Harm {
  /** The codes with which they ended. */
  readonly lost: readonly number[];
  /** How many waited for a ping longer than the interval. */
  readonly late: number;
}
export const NO_HARM: Harm = { lost: [], late: 0 };

/** Heartbeat options with one fixed interval, which a {@link HeartbeatWatch} can hold pings against. */
export function fixedHeartbeat(intervalMs: number, more: { pongTimeoutMs?: number; missedPongs?: number } = {}) {
  const interval = { minIntervalMs: intervalMs, intervalMs, maxIntervalMs: intervalMs, adaptive: false };
  return { ...interval, pongTimeoutMs: intervalMs / 2, ...more };
}

/**
 * Checks how punctually idle clients are pinged, at one fixed interval, and which were lost. The delays of a busy machine are shown by a
 * control: clients of a server that is not under test.
 */
export class HeartbeatWatch {
  #from = machineMs();

  constructor(
    private readonly allClients: readonly Clients[],
    private readonly control: Clients,
    private readonly intervalMs: number,
  ) {}

  /** Begins the watch. */
  begin(): void {
    this.#from = machineMs();
  }

  /** The results since {@link begin}. */
  async harm(): Promise<Harm> {
    const now = machineMs();
    const latest = (waits: readonly number[]) => Math.max(...waits) - this.intervalMs;
    const usual = Math.max(0, latest(await this.#longestWaits([this.control], now)));
    const waits = await this.#longestWaits(this.allClients, now);
    const ends = (await Promise.all(this.allClients.map(clients => clients.ended()))).flat();
    const said = `${waits.length} clients, ${ends.length} lost; the latest heartbeat by ${latest(waits).toFixed(0)} ms`;
    process.stderr.write(`${said}, elsewhere by ${usual.toFixed(0)} ms\n`);
    const allowance = Math.min(TIMES_USUAL * usual, MOST_OF_INTERVAL * this.intervalMs);
    const late = waits.filter(waitMs => waitMs > this.intervalMs + IN_TIME_MS + allowance).length;
    return { lost: ends.map(({ code }) => code), late };
  }

  /** The longest time between two pings of each client. */
  async #longestWaits(allClients: readonly Clients[], now: number): Promise<number[]> {
    const pings = (await Promise.all(allClients.map(clients => clients.pings()))).flat();
    return pings.map(moments => {
      // From the last ping before, so that one which should have come early in the time is missed at once.
      const first = moments.findLast(at => at < this.#from) ?? this.#from;
      const within = [first, ...moments.filter(at => at >= this.#from && at <= now), now];
      return Math.max(...within.slice(1).map((at, index) => at - (within[index] ?? at)));
    });
  }
}
