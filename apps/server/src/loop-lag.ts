import { createHistogram, type Histogram, monitorEventLoopDelay } from 'node:perf_hooks';

import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Gauge, type Registry } from 'prom-client';

/** The resolution of prom-client. Its values, and those here, include it. */
const RESOLUTION_MS = 10;
const STEP_MS = 1000;

/** Of each metric: its name, its help, and its value in nanoseconds. */
const METRICS: readonly [name: string, help: string, valueOf: (lag: Histogram) => number][] = [
  ['min', 'The minimum recorded event loop delay.', lag => lag.min],
  ['max', 'The maximum recorded event loop delay.', lag => lag.max],
  ['mean', 'The mean of the recorded event loop delays.', lag => lag.mean],
  ['stddev', 'The standard deviation of the recorded event loop delays.', lag => lag.stddev],
  ['p50', 'The 50th percentile of the recorded event loop delays.', lag => lag.percentile(50)],
  ['p90', 'The 90th percentile of the recorded event loop delays.', lag => lag.percentile(90)],
  ['p99', 'The 99th percentile of the recorded event loop delays.', lag => lag.percentile(99)],
];

/**
 * The delay of the event loop since the last scrape, under the names of prom-client. The monitor behind prom-client's own metrics wakes
 * the process 100 times a second, which is two thirds of the CPU of a server at rest. This one runs only while there are connections;
 * without one, the lateness of a timer is recorded once a second.
 */
export class LoopLag implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  /** The delays at rest. */
  readonly #atRest = createHistogram();
  readonly #gauges: readonly { readonly gauge: Gauge; readonly valueOf: (lag: Histogram) => number }[];
  #timer: NodeJS.Timeout | null = null;
  #steppedAt = 0;

  /** @param registry Its metrics of these names are replaced. */
  constructor(
    registry: Registry,
    private readonly isAtRest: () => boolean,
  ) {
    this.#gauges = METRICS.map(([name, help, valueOf], index) => {
      const metric = `nodejs_eventloop_lag_${name}_seconds`;
      registry.removeSingleMetric(metric);
      // The first one is collected first, and sets all.
      const collect = index === 0 && { collect: () => this.#collect() };
      return { gauge: new Gauge({ name: metric, help, registers: [registry], ...collect }), valueOf };
    });
  }

  onApplicationBootstrap(): void {
    this.#steppedAt = performance.now();
    this.#timer = setInterval(() => this.step(), STEP_MS).unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#monitor.disable();
  }

  /** Starts or stops the monitor, and records what a resting monitor has not seen. */
  step(now = performance.now()): void {
    const lateMs = Math.max(0, now - this.#steppedAt - STEP_MS);
    this.#steppedAt = now;
    if (!this.isAtRest()) {
      this.#monitor.enable();
      return;
    }
    this.#monitor.disable();
    this.#atRest.record(Math.round((RESOLUTION_MS + lateMs) * 1e6));
  }

  #collect(): void {
    const lag = this.#monitor.count > 0 ? this.#monitor : this.#atRest;
    // A scrape that follows the last one at once keeps its values.
    if (lag.count === 0) return;
    for (const { gauge, valueOf } of this.#gauges) gauge.set(valueOf(lag) / 1e9);
    this.#monitor.reset();
    this.#atRest.reset();
  }
}
