import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { collectDefaultMetrics, Registry } from 'prom-client';

import { until } from '../../../test/support/assert/until.js';
import { LoopLag } from './loop-lag.js';

const NAMES = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(name => `nodejs_eventloop_lag_${name}_seconds`);

describe('LoopLag', () => {
  let registry: Registry;
  let lag: LoopLag;
  let isAtRest: boolean;

  beforeEach(() => {
    registry = new Registry();
    isAtRest = true;
    lag = new LoopLag(registry, () => isAtRest);
  });

  afterEach(() => lag.onApplicationShutdown());

  async function scrape(): Promise<Record<string, number>> {
    const lines = (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
    return Object.fromEntries(lines.map(line => line.split(' ')).map(([name, value]) => [name, Number(value)]));
  }

  /** Seconds at rest after the last scrape, each so late. */
  async function rest(...lateMs: number[]): Promise<void> {
    let now = performance.now();
    lag.step(now);
    await scrape();
    for (const late of lateMs) lag.step((now += 1000 + late));
  }

  it('has the names and the help of the metrics that it replaces', async () => {
    const stock = new Registry();
    collectDefaultMetrics({ register: stock, eventLoopMonitoringPrecision: 86_400_000 });
    const ours = registry.getMetricsAsArray();
    const described = (metrics = stock.getMetricsAsArray()) =>
      metrics.filter(({ name }) => NAMES.includes(name)).map(({ name, help, type }) => ({ name, help, type }));
    expect(described(ours)).toEqual(described());
    expect(described(ours)).toHaveLength(NAMES.length);
    lag = new LoopLag(stock, () => true);
    expect(described()).toEqual(described(ours));
  });

  it('records the lateness of its timer at rest, beyond the resolution of 10 ms', async () => {
    await rest(0, 0, 0, 200);
    const { nodejs_eventloop_lag_min_seconds: min, nodejs_eventloop_lag_max_seconds: max } = await scrape();
    expect([min, max]).toEqual([expect.closeTo(0.01, 3), expect.closeTo(0.21, 2)]);
  });

  it('begins anew with each scrape, and keeps its values where there is none since', async () => {
    await rest(200);
    const first = await scrape();
    expect(await scrape()).toEqual(first);
    await rest(0);
    expect(await scrape()).toMatchObject({ nodejs_eventloop_lag_max_seconds: expect.closeTo(0.01, 3) });
  });

  it('monitors the loop while it is not at rest', async () => {
    isAtRest = false;
    lag.step();
    await until(async () => {
      const end = performance.now() + 60;
      while (performance.now() < end);
      // The monitor records the delay in the next turn of the loop.
      await new Promise(resolve => setTimeout(resolve, 1));
      return (await scrape())['nodejs_eventloop_lag_max_seconds']! > 0.05;
    });
    isAtRest = true;
    await rest(0, 0);
    expect(await scrape()).toMatchObject({ nodejs_eventloop_lag_max_seconds: expect.closeTo(0.01, 3) });
  });
});
