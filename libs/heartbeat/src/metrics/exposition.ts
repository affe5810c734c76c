import { type Metric, Registry, type RegistryContentType } from 'prom-client';

export type ExpositionFormat = 'text' | 'openmetrics';

/** A response to a scrape. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

const CONTENT_TYPES = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const;

/** The format that an `Accept` header prefers; the plain text if it names no known format (RFC 9110, section 12.5.1). */
export function formatFor(accept = ''): ExpositionFormat {
  const weights = { text: 0, openmetrics: 0 };
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase());
    const parameter = (name: string) => parameters.find(text => text.startsWith(`${name}=`))?.slice(name.length + 1);
    const weight = Number(parameter('q') ?? 1) || 0;
    const isOpenMetrics =
      type === 'application/openmetrics-text' && ['1.0.0', undefined].includes(parameter('version'));
    if (isOpenMetrics) weights.openmetrics = Math.max(weights.openmetrics, weight);
    if (['text/plain', 'text/*', '*/*'].includes(type)) weights.text = Math.max(weights.text, weight);
  }
  return weights.openmetrics > weights.text ? 'openmetrics' : 'text';
}

/**
 * Writes a registry in either format. A registry of prom-client supports only one format, and permanently renames its counters when it
 * writes OpenMetrics. So another registry, created for this response, writes its metrics.
 */
export async function expose(
  registry: Registry,
  format: ExpositionFormat,
  failed: MetricFailed = () => undefined,
): Promise<Exposition> {
  const contentType = CONTENT_TYPES[format];
  const writer: Registry<RegistryContentType> = new Registry();
  writer.setContentType(contentType);
  for (const metric of await readable(registry, failed)) {
    const name = nameIn(metric, format, registry);
    const shown = { name, type: metric.type, get: async () => ({ ...metric, name }) };
    writer.registerMetric(shown as unknown as Metric);
  }
  return { contentType, body: await writer.metrics() };
}

/** Handles the error or rejection of a metric of the registry when it was read. */
export type MetricFailed = (name: string, error: unknown) => void;

/** All metrics of the registry except metrics of the application that cannot be read. */
async function readable(registry: Registry, failed: MetricFailed): ReturnType<Registry['getMetricsAsJSON']> {
  try {
    return await registry.getMetricsAsJSON();
  } catch {
    const metrics = registry.getMetricsAsArray() as unknown as Metric[];
    const good: Metric[] = [];
    for (const metric of metrics) {
      try {
        await metric.get();
        good.push(metric);
      } catch (error) {
        failed((metric as unknown as { readonly name: string }).name, error);
      }
    }
    // Includes the default labels of the registry.
    const rest = Object.create(registry, { getMetricsAsArray: { value: () => good } }) as Registry;
    return rest.getMetricsAsJSON();
  }
}

/** In OpenMetrics a counter has the name of its series without `_total`. A registry of that format may have removed it already. */
function nameIn(
  { name, type }: { name: string; type: unknown },
  format: ExpositionFormat,
  { contentType }: Registry,
): string {
  if (type !== 'counter') return name;
  const bare = name.replace(/_total$/, '');
  if (format === 'openmetrics') return bare;
  return (contentType as RegistryContentType) === CONTENT_TYPES.openmetrics ? `${bare}_total` : name;
}
