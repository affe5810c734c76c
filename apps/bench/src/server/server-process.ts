import 'reflect-metadata';

import { writeHeapSnapshot } from 'node:v8';
import { answerParent } from '../remote.js';
import type { BenchServer, ServerName, ServerOrder } from './bench-server.js';
import { LoopWatch } from './loop-watch.js';

export interface Sample {
  /** CPU time of the process since its start, all threads. */
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

type Start = (order: ServerOrder) => Promise<BenchServer>;

/** Loaded when needed: no server pays for the modules of another. */
const STARTS: Readonly<Record<ServerName, () => Promise<Start>>> = {
  ws: async () => (await import('./bare-ws.js')).startBareWs,
  'ws-recipe': async () => (await import('./bare-ws.js')).startBareWs,
  'ws-spread': async () => (await import('./bare-ws.js')).startBareWs,
  nest: async () => (await import('./stock-nest.js')).startStockNest,
  'nest-recipe': async () => (await import('./stock-nest.js')).startStockNest,
  'socket-io': async () => (await import('./socket-io.js')).startSocketIo,
  'nest-io': async () => (await import('./socket-io-nest.js')).startStockSocketIo,
  heartbeat: async () => (await import('./heartbeat-nest.js')).startHeartbeatNest,
  'heartbeat-users': async () => (await import('./heartbeat-nest.js')).startHeartbeatNest,
  'heartbeat-io': async () => (await import('./socket-io-nest.js')).startHeartbeatSocketIo,
};

/** The process under test: it reports about itself to its parent, so that nothing of the bench stands between. */
export class ServerProcess {
  readonly #watch = new LoopWatch();
  #server: BenchServer | null = null;

  /** Returns the port. */
  async start(order: ServerOrder): Promise<number> {
    const start = await STARTS[order.name]();
    this.#server = await start(order);
    return this.#server.port;
  }

  sample(): Sample {
    const { user, system } = process.cpuUsage();
    const { heapUsed, rss } = process.memoryUsage();
    return { cpuMs: (user + system) / 1000, heapBytes: heapUsed, residentBytes: rss };
  }

  /** The same once nothing is left that could be collected. */
  async collect(): Promise<Sample> {
    for (let pass = 0; pass < 3; pass += 1) {
      globalThis.gc?.();
      // Memory that a finalizer releases is collected by the next pass.
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    return this.sample();
  }

  watchLoop(): void {
    this.#watch.start();
  }

  longestStall(): number {
    return this.#watch.stop();
  }

  /** Holds the event loop, as a long computation of an application does. */
  block(forMs: number): void {
    for (const end = performance.now() + forMs; performance.now() < end;);
  }

  broadcast(text: string): void {
    this.#running.broadcast(text);
  }

  beat(on: boolean): void {
    this.#running.beat?.(on);
  }

  drain(): number {
    const begun = this.#running.drain?.();
    if (begun === undefined) throw new Error('this server cannot drain');
    return begun;
  }

  /** For an inspection of the memory. */
  snapshot(file: string): void {
    writeHeapSnapshot(file);
  }

  get #running(): BenchServer {
    if (this.#server === null) throw new Error('the server was not started');
    return this.#server;
  }
}

answerParent(new ServerProcess());
