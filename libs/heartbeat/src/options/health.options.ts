import { flag, group } from './checkers.js';

/** The health routes. */
export interface HealthOptions {
  /**
   * Whether readiness is 503 from `maxConnections` until the number is under 95 % of it.
   * Default: true.
   */
  notReadyAtCapacity: boolean;
}

export const HEALTH_DEFAULTS: HealthOptions = { notReadyAtCapacity: true };

export const HEALTH_RULES = group<HealthOptions>({ notReadyAtCapacity: flag() });
