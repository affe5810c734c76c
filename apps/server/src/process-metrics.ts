import { collectDefaultMetrics, Registry } from 'prom-client';

/** A day: the monitor of the event loop's delay of prom-client is not used, see `LoopLag`. */
const NEVER_MS = 86_400_000;

/** A registry with the metrics of the process (`process_*`, `nodejs_*`), for those of the library to join. Made once in a process. */
export function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  return registry;
}
