import { Counter, Gauge, type Metric, type Registry } from 'prom-client';

import type { Distribution } from '../node/distribution.js';
import { HeartbeatError, describeProblem, type Problem } from '../base/heartbeat.error.js';
import { DistributionHistogram } from './distribution-histogram.js';

/** A number that is read at each scrape. */
type Read = () => number | Promise<number>;
/** One number for each value of a label. */
type ReadEach<Value extends string> = () => Readonly<Record<Value, number>> | Promise<Readonly<Record<Value, number>>>;

/** One bound series of a counter. Counting with it allocates nothing and can create no new series. */
export type Count = Counter.Internal;

/** Metrics with a common prefix that are registered and unregistered together. Every series exists with 0 from the start. */
export class MetricSet {
  readonly #metrics: { readonly name: string; readonly metric: Metric }[] = [];

  constructor(private readonly prefix: string) {}

  /** A counter that callers increment, with one label of the given values. */
  counterBy<Value extends string>(name: string, help: string, label: string, values: readonly Value[]) {
    const counter = this.#add(new Counter({ ...this.#config(name, help), labelNames: [label] }));
    const series = values.map(value => {
      const bound = counter.labels(value);
      bound.inc(0);
      return [value, bound] as const;
    });
    return Object.fromEntries(series) as Readonly<Record<Value, Count>>;
  }

  /** A counter that is read at each scrape. The number must never decrease. */
  readCounter(name: string, help: string, read: Read): void {
    const counter: Counter = this.#add(
      new Counter({
        ...this.#config(name, help),
        async collect() {
          const value = await read();
          counter.reset();
          counter.inc(value);
        },
      }),
    );
  }

  readCounterBy<Value extends string>(name: string, help: string, label: string, read: ReadEach<Value>): void {
    const counter: Counter = this.#add(
      new Counter({
        ...this.#config(name, help),
        labelNames: [label],
        async collect() {
          const values = Object.entries<number>(await read());
          counter.reset();
          for (const [value, total] of values) counter.inc({ [label]: value }, total);
        },
      }),
    );
  }

  /** Reads a counter with two labels, by the first and then by the second; `counts` is read at each scrape. */
  readCounterByTwo(
    name: string,
    help: string,
    [first, second]: readonly [string, string],
    counts: Readonly<Record<string, Readonly<Record<string, number>>>>,
  ): void {
    const counter: Counter = this.#add(
      new Counter({
        ...this.#config(name, help),
        labelNames: [first, second],
        collect() {
          counter.reset();
          for (const [one, totals] of Object.entries(counts)) {
            for (const [two, total] of Object.entries(totals)) counter.inc({ [first]: one, [second]: two }, total);
          }
        },
      }),
    );
  }

  gauge(name: string, help: string, read: Read): void {
    const gauge: Gauge = this.#add(
      new Gauge({
        ...this.#config(name, help),
        async collect() {
          gauge.set(await read());
        },
      }),
    );
  }

  gaugeBy<Value extends string>(name: string, help: string, label: string, read: ReadEach<Value>): void {
    const gauge: Gauge = this.#add(
      new Gauge({
        ...this.#config(name, help),
        labelNames: [label],
        async collect() {
          for (const [value, level] of Object.entries<number>(await read())) gauge.set({ [label]: value }, level);
        },
      }),
    );
  }

  /** A histogram that is read at each scrape. */
  readHistogram(name: string, help: string, distribution: Distribution): void {
    this.#add(new DistributionHistogram(this.#config(name, help), distribution));
  }

  /**
   * Registers all metrics in `registry`.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` when `registry` already has one of the names; then none is registered.
   */
  registerIn(registry: Registry): void {
    const taken = this.#metrics.find(({ name }) => registry.getSingleMetric(name) !== undefined);
    if (taken !== undefined) throw nameTaken(this.prefix, taken.name);
    for (const { metric } of this.#metrics) registry.registerMetric(metric);
  }

  /** Unregisters from `registry` the metrics that this set has registered. */
  unregisterFrom(registry: Registry): void {
    for (const { name, metric } of this.#metrics) {
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
    }
  }

  #config(name: string, help: string) {
    return { name: this.prefix + name, help, registers: [] };
  }

  #add<Kind extends Metric>(metric: Kind): Kind {
    // The name is stored beside the metric, because prom-client renames a counter when it writes OpenMetrics.
    const { name } = metric as unknown as { readonly name: string };
    this.#metrics.push({ name, metric });
    return metric;
  }
}

function nameTaken(prefix: string, name: string): HeartbeatError {
  const problem: Problem = {
    key: 'metrics.prefix',
    value: prefix,
    rule: `the registry in metrics.registry holds a metric "${name}" already`,
    remedy: 'give each HeartbeatModule a prefix or a registry of its own',
  };
  return new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `HeartbeatModule cannot start: ${describeProblem(problem)}`, [
    problem,
  ]);
}
