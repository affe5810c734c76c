import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';

import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';

/** Injection token of the guard of the admin routes: `AdminTokenGuard`, or the extra `adminGuard`. */
export const ADMIN_GUARD = Symbol('ADMIN_GUARD');

/** Guards every admin route. */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(@Inject(ADMIN_GUARD) private readonly guard: CanActivate) {}

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    return this.guard.canActivate(context);
  }
}

/** Guards the metrics where the option `metrics.guarded` is on. */
@Injectable()
export class MetricsGuard implements CanActivate {
  constructor(
    @Inject(ADMIN_GUARD) private readonly guard: CanActivate,
    @Inject(HEARTBEAT_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    return this.options.metrics.guarded ? this.guard.canActivate(context) : true;
  }
}
