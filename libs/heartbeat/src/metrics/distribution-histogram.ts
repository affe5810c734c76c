import { Histogram, type HistogramConfiguration } from 'prom-client';

import type { Distribution } from '../node/distribution.js';

type Values = Awaited<ReturnType<Histogram['get']>>;

/** A histogram that exposes values counted elsewhere. */
export class DistributionHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;

  constructor(
    config: Omit<HistogramConfiguration<string>, 'buckets' | 'collect'>,
    private readonly distribution: Distribution,
  ) {
    super({ ...config, buckets: [...distribution.bounds] });
    this.#name = config.name;
    this.#help = config.help;
  }

  override async get(): Promise<Values> {
    return this.#show() as unknown as Values;
  }

  /** Called by prom-client's registry when it writes text. */
  getForPromString(): Promise<Values> {
    return this.get();
  }

  #show() {
    const { bounds, counts, sum } = this.distribution;
    let below = 0;
    const buckets = [...bounds, '+Inf'].map((le, index) => {
      below += counts[index]!;
      return { metricName: `${this.#name}_bucket`, labels: { le }, value: below };
    });
    const rest = [
      { metricName: `${this.#name}_sum`, labels: {}, value: sum },
      { metricName: `${this.#name}_count`, labels: {}, value: below },
    ];
    return { name: this.#name, help: this.#help, type: 'histogram', values: [...buckets, ...rest], aggregator: 'sum' };
  }
}
