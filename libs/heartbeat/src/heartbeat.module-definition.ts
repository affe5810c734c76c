import { type CanActivate, ConfigurableModuleBuilder, type Type } from '@nestjs/common';

import type { AdminDoor } from './admin-door.js';
import { adminOf } from './admin/admin-actor.js';
import { AdminAudit } from './admin/admin-audit.js';
import { AdminTokenGuard } from './admin/admin-token.guard.js';
import { createAdminController } from './admin/admin.controller.js';
import { createClusterController } from './admin/cluster.controller.js';
import { ProblemFilter } from './admin/problem.filter.js';
import { DEFAULT_ROUTES } from './defaults.js';
import { createHeapSnapshotController } from './diagnosis/heap-snapshot.controller.js';
import { createDoctorController } from './doctor/doctor.controller.js';
import { createHealthController } from './health/health.controller.js';
import type { HeartbeatOptions, HeartbeatRoutes } from './heartbeat.options.js';
import { createMetricsController } from './metrics/metrics.controller.js';

/** What shapes the module: given beside the options, never by a factory. */
export interface HeartbeatExtras {
  /** Whether every module may inject the services without importing this one. Default: false. */
  isGlobal?: boolean;
  /** The paths of the HTTP routes; `false` leaves one out. */
  routes?: Partial<HeartbeatRoutes>;
  /** A guard of the app's own in the place of admin tokens; what it injects comes from `imports`. Default: tokens. */
  adminGuard?: Type<CanActivate>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<HeartbeatOptions>({ moduleName: 'Heartbeat' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createHeartbeatOptions')
    .setExtras<HeartbeatExtras>(
      { isGlobal: false, routes: {}, adminGuard: undefined },
      (definition, { isGlobal, routes, adminGuard = AdminTokenGuard }) => ({
        ...definition,
        global: isGlobal,
        controllers: controllersFor({ ...DEFAULT_ROUTES, ...routes }, adminGuard),
      }),
    )
    .build();

/** Controllers are made for each module: their paths are the app's to choose. */
function controllersFor({ health, metrics, admin }: HeartbeatRoutes, adminGuard: Type<CanActivate>): Type<unknown>[] {
  const door: AdminDoor = { guard: adminGuard, filter: ProblemFilter, audit: AdminAudit, adminOf };
  const controllers: Type<unknown>[] = [];
  if (health !== false) controllers.push(createHealthController(health));
  if (metrics !== false) controllers.push(createMetricsController(metrics, door));
  if (admin === false) return controllers;
  controllers.push(createAdminController(admin, adminGuard), createClusterController(admin, adminGuard));
  controllers.push(createDoctorController(admin, door), createHeapSnapshotController(admin, door));
  return controllers;
}
