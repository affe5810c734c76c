import { type CanActivate, ConfigurableModuleBuilder, type Type } from '@nestjs/common';

import type { AdminExposure } from './http/admin-exposure.js';
import { adminOf } from './http/admin-actor.js';
import { AdminAudit } from './http/admin-audit.js';
import { AdminTokenGuard } from './http/admin-token.guard.js';
import { createAdminController } from './admin/admin.controller.js';
import { createClusterController } from './admin/cluster.controller.js';
import { DEFAULT_ROUTES } from './options/defaults.js';
import { createHeapSnapshotController } from './diagnosis/heap-snapshot.controller.js';
import { createDoctorController } from './doctor/doctor.controller.js';
import { createHealthController } from './health/health.controller.js';
import type { HeartbeatOptions, HeartbeatRoutes } from './options/heartbeat.options.js';
import { type AdminPortOptions, HTTP_SETTINGS, type HttpSettings, resolveAdminPort } from './http/http-settings.js';
import { finishController, type OwnRoute, type RouteArea, type RouteDecorator } from './http/own-routes.js';
import { createMetricsController } from './metrics/metrics.controller.js';

/** What shapes the module: given beside the options, never by a factory. */
export interface HeartbeatExtras {
  /** Whether every module may inject the services without importing this one. Default: false. */
  isGlobal?: boolean;
  /** The paths of the HTTP routes; `false` leaves one out. */
  routes?: Partial<HeartbeatRoutes>;
  /** A guard of the app's own in the place of admin tokens; what it injects comes from `imports`. Default: tokens. */
  adminGuard?: Type<CanActivate>;
  /**
   * Decorators of the application for all routes of this module, on each controller and each handler: such as `[Public(), SkipThrottle()]`,
   * where global guards would refuse probes, scrapers and admin requests. Default: none.
   */
  routeDecorators?: readonly RouteDecorator[];
  /**
   * A port for admin API, metrics and health of their own; with a number, admin API and metrics are no longer on the application's port.
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
        const made = controllersFor({ ...DEFAULT_ROUTES, ...routes }, adminGuard);
        const own: OwnRoute[] = made.flatMap(([area, controller]) =>
          finishController(area, controller, routeDecorators),
        );
        const settings: HttpSettings = { routes: own, adminPort: resolveAdminPort(adminPort) };
        return {
          ...definition,
          global: isGlobal,
          controllers: made.map(([, controller]) => controller),
          providers: [...(definition.providers ?? []), { provide: HTTP_SETTINGS, useValue: settings }],
        };
      },
    )
    .build();

type Made = readonly [RouteArea, Type<unknown>];

/** Controllers are made for each module: their paths are the app's to choose. */
function controllersFor({ health, metrics, admin }: HeartbeatRoutes, adminGuard: Type<CanActivate>): Made[] {
  const door: AdminExposure = { guard: adminGuard, audit: AdminAudit, adminOf };
  const controllers: Made[] = [];
  if (health !== false) controllers.push(['health', createHealthController(health)]);
  if (metrics !== false) controllers.push(['metrics', createMetricsController(metrics, door)]);
  if (admin === false) return controllers;
  const ofAdmin = [
    createAdminController(admin, adminGuard),
    createClusterController(admin, adminGuard),
    createDoctorController(admin, door),
    createHeapSnapshotController(admin, door),
  ];
  return [...controllers, ...ofAdmin.map((controller): Made => ['admin', controller])];
}
