import type { Registry } from 'prom-client';
import { z } from 'zod';

import { flag, group } from './checkers.js';

const prefixRule = 'must be a prefix of Prometheus metric names: letters, digits, "_" and ":", no digit first';

/** Metrics for Prometheus. */
export interface MetricsOptions {
  /**
   * Whether a scrape needs the token of a viewer.
   * Default: false.
   */
  guarded: boolean;
  /**
   * Prefix of all metric names.
   * Default: `ws_`.
   */
  prefix: string;
  /**
   * The prom-client registry to use.
   * Default: a separate registry.
   */
  registry: Registry | undefined;
}

export const METRICS_DEFAULTS: MetricsOptions = { guarded: false, prefix: 'ws_', registry: undefined };

export const METRICS_RULES = group<MetricsOptions>({
  guarded: flag(),
  prefix: z.string(prefixRule).regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, prefixRule),
  registry: z.custom(
    value => typeof (value as { metrics?: unknown })?.metrics === 'function',
    'must be a registry of prom-client',
  ),
});
