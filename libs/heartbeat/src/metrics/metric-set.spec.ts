import { describe, expect, it } from '@jest/globals';
import { Gauge, Registry } from 'prom-client';

import { Distribution } from '../node/distribution.js';
import { MetricSet } from './metric-set.js';

/** The lines with values. */
const valuesOf = async (registry: Registry) =>
  (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'));

function registered(build: (metrics: MetricSet) => unknown) {
  const metrics = new MetricSet('ws_');
  build(metrics);
  const registry = new Registry();
  metrics.registerIn(registry);
  return { metrics, registry };
}

describe('MetricSet', () => {
  it('shows every series of a counter from the start', async () => {
    const { registry } = registered(metrics => {
      metrics.readCounter('a_total', 'A.', () => 0);
      metrics.counterBy('b_total', 'B.', 'reason', ['x', 'y']);
      metrics.readCounterByTwo('c_total', 'C.', ['code', 'by'], { 1: { me: 0 }, 2: { me: 0 } });
    });
    expect(await valuesOf(registry)).toEqual([
      'ws_a_total 0',
      'ws_b_total{reason="x"} 0',
      'ws_b_total{reason="y"} 0',
      'ws_c_total{code="1",by="me"} 0',
      'ws_c_total{code="2",by="me"} 0',
    ]);
  });

  it('counts', async () => {
    const { registry } = registered(metrics => {
      metrics.counterBy('b_total', 'B.', 'reason', ['x', 'y']).y.inc();
    });
    expect(await valuesOf(registry)).toEqual(expect.arrayContaining(['ws_b_total{reason="y"} 1']));
  });

  it('reads at each scrape, and does not accumulate the values read', async () => {
    const now = { total: 5, level: 2 };
    const { registry } = registered(metrics => {
      metrics.readCounter('a_total', 'A.', () => now.total);
      metrics.readCounterBy('b_total', 'B.', 'direction', async () => ({ in: now.total, out: 1 }));
      metrics.gauge('c', 'C.', async () => now.level);
      metrics.gaugeBy('d', 'D.', 'source', () => ({ cpu: now.level }));
    });
    await registry.metrics();
    Object.assign(now, { total: 6, level: 1 });
    expect(await valuesOf(registry)).toEqual([
      'ws_a_total 6',
      'ws_b_total{direction="in"} 6',
      'ws_b_total{direction="out"} 1',
      'ws_c 1',
      'ws_d{source="cpu"} 1',
    ]);
  });

  it('exposes a distribution as a histogram with cumulative buckets', async () => {
    const distribution = new Distribution([0.1, 1]);
    const { registry } = registered(metrics => metrics.readHistogram('s', 'S.', distribution));
    for (const value of [0.05, 0.5, 0.7, 3]) distribution.record(value);
    expect(await registry.metrics()).toBe(`# HELP ws_s S.
# TYPE ws_s histogram
ws_s_bucket{le="0.1"} 1
ws_s_bucket{le="1"} 3
ws_s_bucket{le="+Inf"} 4
ws_s_sum 4.25
ws_s_count 4
`);
  });

  it('leaves a registry as it was', async () => {
    const registry = new Registry();
    registry.registerMetric(new Gauge({ name: 'app', help: 'The app’s own.', registers: [] }));
    const metrics = new MetricSet('ws_');
    metrics.readCounter('a_total', 'A.', () => 0);
    metrics.registerIn(registry);
    metrics.unregisterFrom(registry);
    expect(await valuesOf(registry)).toEqual(['app 0']);
  });

  it('leaves a registry of OpenMetrics as it was, though that renames counters', async () => {
    const { metrics, registry } = registered(set => set.readCounter('a_total', 'A.', () => 0));
    (registry as Registry<never>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    await registry.metrics();
    metrics.unregisterFrom(registry);
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('rejects a registry that already has one of the names, and registers nothing', () => {
    const { metrics: first, registry } = registered(set => set.readCounter('b_total', 'B.', () => 0));
    const second = new MetricSet('ws_');
    second.readCounter('a_total', 'A.', () => 0);
    second.readCounter('b_total', 'B.', () => 0);
    expect(() => second.registerIn(registry)).toThrow(
      'metrics.prefix is "ws_" but the registry in metrics.registry holds a metric "ws_b_total" already: give each HeartbeatModule a prefix or a registry of its own',
    );
    second.unregisterFrom(registry);
    expect(registry.getMetricsAsArray()).toHaveLength(1);
    first.unregisterFrom(registry);
    second.registerIn(registry);
    expect(registry.getMetricsAsArray()).toHaveLength(2);
  });
});
