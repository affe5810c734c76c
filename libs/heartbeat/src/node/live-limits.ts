import type { LimitOptions } from '../options/limits.options.js';
import type { LoadOptions } from '../options/load.options.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';

/** The limits that may change while the node runs. Rules read them at each use, never in a constructor. */
export type LiveLimits = Readonly<
  Pick<
    LimitOptions,
    'maxConnections' | 'maxPerIp' | 'maxPerUser' | 'upgradesPerSecond' | 'upgradesPerSecondPerIp' | 'messagesPerSecond'
  > &
    Pick<LoadOptions, 'refuseAbove' | 'shedAbove'>
>;

export type LimitKey = keyof LiveLimits;

/** The options with other limits. */
export function withLimits(
  options: ResolvedOptions,
  { refuseAbove, shedAbove, ...limits }: LiveLimits,
): ResolvedOptions {
  return {
    ...options,
    limits: { ...options.limits, ...limits },
    load: { ...options.load, refuseAbove, shedAbove },
  };
}

/** The limits that the options set. */
export function liveLimitsOf({ limits, load }: ResolvedOptions): LiveLimits {
  const { maxConnections, maxPerIp, maxPerUser, upgradesPerSecond, upgradesPerSecondPerIp, messagesPerSecond } = limits;
  const { refuseAbove, shedAbove } = load;
  return {
    maxConnections,
    maxPerIp,
    maxPerUser,
    upgradesPerSecond,
    upgradesPerSecondPerIp,
    messagesPerSecond,
    refuseAbove,
    shedAbove,
  };
}
