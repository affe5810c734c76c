import { type CanActivate, ConfigurableModuleBuilder, type Type } from '@nestjs/common';

import { ADMIN_GUARD } from './http/admin-guard.js';
import { AdminTokenGuard } from './http/admin-token.guard.js';
import { createAdminController } from './admin/admin.controller.js';
import { createAuditController } from './admin/audit.controller.js';
import { createClosedController } from './admin/closed.controller.js';
import { createClusterController } from './admin/cluster.controller.js';
import { createStatsController } from './admin/stats.controller.js';
import { createDrainController } from './admin/drain.controller.js';
import { createMeController } from './admin/me.controller.js';
import { createKicksController } from './admin/kicks.controller.js';
import { createLimitsController } from './admin/limits.controller.js';
import { DEFAULT_ROUTES } from './options/extras.js';
import { createHeapSnapshotController } from './diagnosis/heap-snapshot.controller.js';
import { createDoctorController } from './doctor/doctor.controller.js';
import { createEventsController } from './events/events.controller.js';
import { createHealthController } from './health/health.controller.js';
import type { HeartbeatRoutes } from './options/extras.js';
import type { HeartbeatOptions } from './options/heartbeat.options.js';
import { type AdminPortOptions, HTTP_SETTINGS, type HttpSettings, resolveAdminPort } from './http/http-settings.js';
import { finishController, type RouteDecorator } from './http/own-routes.js';
import { createMetricsController } from './metrics/metrics.controller.js';

/** Extras shape the module: they are passed beside the options, never by a factory. */
export interface HeartbeatExtras {
  /** Whether every module may inject the services without importing this one. Default: false. */
  isGlobal?: boolean;
  /** The paths of the HTTP routes; `false` removes one. */
  routes?: Partial<HeartbeatRoutes>;
  /** A guard of the application instead of admin tokens; what it injects comes from `imports`. Default: tokens. */
  adminGuard?: Type<CanActivate>;
  /**
   * Decorators of the application for all routes of this module, on each controller and each handler: such as `[Public(), SkipThrottle()]`,
   * where global guards would otherwise refuse probes, scrapers and admin requests. Default: none.
   */
  routeDecorators?: readonly RouteDecorator[];
  /**
   * A separate port for admin API, metrics and health. With a number, admin API and metrics are no longer on the application's port.
   * Default: none.
   */
  adminPort?: number | AdminPortOptions;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<HeartbeatOptions>({ moduleName: 'Heartbeat' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createHeartbeatOptions')
    .setExtras<HeartbeatExtras>(
      { isGlobal: false, routes: {}, adminGuard: undefined, routeDecorators: [], adminPort: undefined },
      (definition, { isGlobal, routes, adminGuard = AdminTokenGuard, routeDecorators = [], adminPort }) => {
        const controllers = controllersFor({ ...DEFAULT_ROUTES, ...routes });
        const own = controllers.flatMap(controller => finishController(controller, routeDecorators));
        const settings: HttpSettings = { routes: own, adminPort: resolveAdminPort(adminPort) };
        return {
          ...definition,
          global: isGlobal,
          controllers,
          providers: [
            ...(definition.providers ?? []),
            { provide: HTTP_SETTINGS, useValue: settings },
            { provide: ADMIN_GUARD, useClass: adminGuard },
          ],
        };
      },
    )
    .build();

/** Controllers are made for each module, since the application chooses their paths. */
function controllersFor({ health, metrics, admin }: HeartbeatRoutes): Type<unknown>[] {
  const controllers: Type<unknown>[] = [];
  if (health !== false) controllers.push(createHealthController(health));
  if (metrics !== false) controllers.push(createMetricsController(metrics));
  if (admin === false) return controllers;
  return [
    ...controllers,
    createAdminController(admin),
    createClosedController(admin),
    createClusterController(admin),
    createStatsController(admin),
    createDrainController(admin),
    createMeController(admin),
    createKicksController(admin),
    createLimitsController(admin),
    createDoctorController(admin),
    createHeapSnapshotController(admin),
    createAuditController(admin),
    createEventsController(admin),
  ];
}
