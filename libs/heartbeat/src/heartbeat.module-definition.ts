import { ConfigurableModuleBuilder, type CanActivate, type Type } from '@nestjs/common';

import type { HeartbeatOptions, HeartbeatRoutes } from './heartbeat.options.js';

/** What shapes the module: given beside the options, never by a factory. */
export interface HeartbeatExtras {
  /** Whether every module may inject the services without importing this one. Default: false. */
  isGlobal?: boolean;
  /** The paths of the HTTP routes; `false` leaves one out. */
  routes?: Partial<HeartbeatRoutes>;
  /** A guard of the app's own in the place of admin tokens. Default: tokens. */
  adminGuard?: Type<CanActivate>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<HeartbeatOptions>({ moduleName: 'Heartbeat' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createHeartbeatOptions')
    .setExtras<HeartbeatExtras>({ isGlobal: false, routes: {}, adminGuard: undefined }, (definition, { isGlobal }) => ({
      ...definition,
      global: isGlobal,
    }))
    .build();
