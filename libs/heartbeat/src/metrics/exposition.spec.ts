import { describe, expect, it } from '@jest/globals';
import { Counter, Gauge, Histogram, Registry, type RegistryContentType } from 'prom-client';

import { expose, formatFor } from './exposition.js';

const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';

describe('formatFor', () => {
  it.each([
    [PROMETHEUS_3],
    ['application/openmetrics-text'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8'],
    ['Application/OpenMetrics-Text;Version=1.0.0;q=0.9, text/plain;q=0.5'],
    ['text/plain;q=0.1,application/openmetrics-text;q=0.2'],
  ])('is OpenMetrics for %j', accept => {
    expect(formatFor(accept)).toBe('openmetrics');
  });

  it.each([
    [undefined],
    [''],
    ['*/*'],
    ['text/plain'],
    ['text/html,application/xhtml+xml,*/*;q=0.8'],
    ['application/json'],
    ['application/openmetrics-text;version=0.0.1'],
    ['application/openmetrics-text;q=0'],
    ['application/openmetrics-text;q=0.3,text/plain;q=0.7'],
    ['application/openmetrics-text;q=0.5,text/*;q=0.5'],
    ['application/openmetrics-text;q=nonsense'],
    [';;,=,q=1'],
  ])('is the plain text for %j', accept => {
    expect(formatFor(accept)).toBe('text');
  });

  it('parses a header of 300,000 separators in linear time: quadratic time would exceed the test’s timeout', () => {
    expect(formatFor(`text/plain${';q=1 '.repeat(100_000)}${','.repeat(100_000)}`)).toBe('text');
  });
});

/** A registry as applications use it. */
function aRegistry(contentType?: RegistryContentType): Registry {
  const registry: Registry<RegistryContentType> = new Registry();
  if (contentType) registry.setContentType(contentType);
  const registers = [registry as Registry];
  new Counter({ name: 'jobs_total', help: 'Jobs.', labelNames: ['kind'], registers }).inc({ kind: 'a "b"\n' }, 2);
  new Counter({ name: 'odd', help: 'No suffix.', registers }).inc(3);
  new Gauge({ name: 'level', help: 'Level.', registers }).set(0.5);
  new Histogram({ name: 'seconds', help: 'Seconds.', buckets: [1, 2], registers }).observe(1.5);
  return registry as Registry;
}

const TEXT = `# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{kind="a \\"b\\"\\n"} 2

# HELP odd No suffix.
# TYPE odd counter
odd 3

# HELP level Level.
# TYPE level gauge
level 0.5

# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="1"} 0
seconds_bucket{le="2"} 1
seconds_bucket{le="+Inf"} 1
seconds_sum 1.5
seconds_count 1
`;

const OPEN_METRICS = `# HELP jobs Jobs.
# TYPE jobs counter
jobs_total{kind="a \\"b\\"\\n"} 2
# HELP odd No suffix.
# TYPE odd counter
odd_total 3
# HELP level Level.
# TYPE level gauge
level 0.5
# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="1"} 0
seconds_bucket{le="2"} 1
seconds_bucket{le="+Inf"} 1
seconds_sum 1.5
seconds_count 1
# EOF
`;

describe('expose', () => {
  it('writes the plain text', async () => {
    expect(await expose(aRegistry(), 'text')).toEqual({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: TEXT,
    });
  });

  it('writes OpenMetrics', async () => {
    expect(await expose(aRegistry(), 'openmetrics')).toEqual({
      contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
      body: OPEN_METRICS,
    });
  });

  it('writes both formats one after the other, and leaves the registry unchanged', async () => {
    const registry = aRegistry();
    await expose(registry, 'openmetrics');
    expect((await expose(registry, 'text')).body).toBe(TEXT);
    expect((await expose(registry, 'openmetrics')).body).toBe(OPEN_METRICS);
    expect(await registry.metrics()).toBe(TEXT);
  });

  it('restores the suffix of counters that a registry of OpenMetrics has removed', async () => {
    const registry = aRegistry(Registry.OPENMETRICS_CONTENT_TYPE);
    await registry.metrics();
    expect((await expose(registry, 'text')).body).toContain('# TYPE jobs_total counter\njobs_total{');
    expect((await expose(registry, 'openmetrics')).body).toBe(OPEN_METRICS);
  });

  it('shows the default labels of the registry', async () => {
    const registry = aRegistry();
    registry.setDefaultLabels({ app: 'shop' });
    expect((await expose(registry, 'text')).body).toContain('level{app="shop"} 0.5');
  });

  it.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no');
      },
    ],
  ])('leaves out a metric of the app that %s, and reports it', async (_what, collect) => {
    const registry = new Registry();
    registry.setDefaultLabels({ app: 'test' });
    new Gauge({ name: 'good', help: 'Good.', registers: [registry] }).set(1);
    const bad = new Gauge({ name: 'bad', help: 'Bad.', registers: [registry], collect });
    expect(bad).toBeDefined();
    const failures: unknown[] = [];
    const { body } = await expose(registry, 'text', (name, error) => failures.push([name, error]));
    expect(body).toContain('good{app="test"} 1');
    expect(body).not.toContain('bad');
    expect(failures).toEqual([['bad', new Error('no')]]);
  });
});
