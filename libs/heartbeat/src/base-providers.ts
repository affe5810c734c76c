import type { Provider } from '@nestjs/common';

import { type Clock, SystemClock } from './base/clock.js';
import {
  HEARTBEAT_BUS,
  HEARTBEAT_CLOCK,
  HEARTBEAT_GIVEN_KEYS,
  HEARTBEAT_OPTIONS,
  HEARTBEAT_RANDOM,
} from './base/heartbeat.tokens.js';
import { MODULE_OPTIONS_TOKEN } from './heartbeat.module-definition.js';
import { HTTP_SETTINGS, type HttpSettings } from './http/http-settings.js';
import type { ClusterBus } from './messaging/cluster-bus.js';
import { LocalBus } from './messaging/local-bus.js';
import { RedisBus } from './messaging/redis-bus.js';
import { givenKeys } from './options/given-keys.js';
import type { HeartbeatOptions, ResolvedOptions } from './options/heartbeat.options.js';
import { resolveOptions } from './options/resolve-options.js';

/** The values that services are made from: options, clock, random numbers, and the bus of the cluster. */
export const BASE_PROVIDERS: readonly Provider[] = [
  {
    provide: HEARTBEAT_OPTIONS,
    useFactory: (given?: HeartbeatOptions) => resolveOptions(given),
    inject: [{ token: MODULE_OPTIONS_TOKEN, optional: true }],
  },
  {
    provide: HEARTBEAT_GIVEN_KEYS,
    useFactory: givenKeys,
    inject: [{ token: MODULE_OPTIONS_TOKEN, optional: true }],
  },
  { provide: HEARTBEAT_CLOCK, useClass: SystemClock },
  { provide: HEARTBEAT_RANDOM, useValue: Math.random },
  // For an import of the class alone, which the constructor rejects with the line to write instead.
  { provide: HTTP_SETTINGS, useValue: { routes: [], adminPort: null } satisfies HttpSettings },
  { provide: HEARTBEAT_BUS, useFactory: createBus, inject: [HEARTBEAT_OPTIONS, HEARTBEAT_CLOCK] },
];

/** Without Redis a node is a cluster of one. */
function createBus({ cluster }: ResolvedOptions, clock: Clock): ClusterBus {
  const isAlone = cluster.redisUrl === undefined && cluster.client === undefined;
  return isAlone ? new LocalBus(clock) : new RedisBus(cluster, clock);
}
