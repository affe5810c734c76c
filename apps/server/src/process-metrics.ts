import { collectDefaultMetrics, Registry } from 'prom-client';

/** A registry with the metrics of the process (`process_*`, `nodejs_*`), for those of the library to join. Made once in a process. */
export function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
