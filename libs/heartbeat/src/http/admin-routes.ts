import {
  applyDecorators,
  type CanActivate,
  Controller,
  Header,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';

import type { AdminRole } from '../options/admin.options.js';
import { AdminGuard, MetricsGuard } from './admin-guard.js';
import { JsonBodyGuard } from './json-body.guard.js';
import { KnownQueryGuard } from './known-query.guard.js';
import { handlersOf, type RouteArea, setArea } from './own-routes.js';
import { ProblemFilter } from './problem.filter.js';
import { ReplyInterceptor } from './reply.interceptor.js';
import { StrictRouteGuard } from './strict-route.guard.js';

const roles = new WeakMap<object, AdminRole>();

/** The role that a handler requires; an operator's for a handler that is not one of the library's. */
export function roleFor(handler: object): AdminRole {
  return roles.get(handler) ?? 'operator';
}

/**
 * A controller of the admin API. Each of its routes has the guard of the admin API, with the role of a viewer for `GET` and of an operator
 * for every other method. Its path is matched exactly, and its body is read after the guard. Responses are not cached, and faults are
 * problem details.
 * @param path The admin path; the routes are below it.
 */
export function AdminRoutes(path: string): ClassDecorator {
  return ownRoutes('admin', path, [StrictRouteGuard, AdminGuard, KnownQueryGuard, JsonBodyGuard]);
}

/** The controller of the metrics. It has the guard of the admin API where `metrics.guarded` is on, and no guard otherwise. */
export function MetricsRoutes(path: string): ClassDecorator {
  return ownRoutes('metrics', path, [StrictRouteGuard, MetricsGuard]);
}

/** A controller of the health checks, which need no credentials. */
export function HealthRoutes(path: string): ClassDecorator {
  return ownRoutes('health', path, [StrictRouteGuard]);
}

function ownRoutes(area: RouteArea, path: string, guards: readonly Type<CanActivate>[]): ClassDecorator {
  return applyDecorators(
    Controller({ path, version: VERSION_NEUTRAL }),
    UseGuards(...guards),
    UseInterceptors(ReplyInterceptor),
    UseFilters(ProblemFilter),
    ((controller: Type<unknown>) => {
      setArea(controller, area);
      for (const { name, handler, method } of handlersOf(controller)) {
        const descriptor = Object.getOwnPropertyDescriptor(controller.prototype, name)!;
        Header('Cache-Control', 'no-store')(controller.prototype as object, name, descriptor);
        roles.set(handler, method === 'GET' ? 'viewer' : 'operator');
      }
    }) as ClassDecorator,
  );
}
