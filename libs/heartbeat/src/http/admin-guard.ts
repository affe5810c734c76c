import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';

import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { markAdmitted } from './admin-actor.js';

/** Injection token of the guard of the admin routes: `AdminTokenGuard`, or the extra `adminGuard`. */
export const ADMIN_GUARD = Symbol('ADMIN_GUARD');

/** Guards every admin route. */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(@Inject(ADMIN_GUARD) private readonly guard: CanActivate) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const answer = this.guard.canActivate(context);
    const isAllowed = isObservable(answer) ? await lastValueFrom(answer) : await answer;
    if (isAllowed) markAdmitted(context.switchToHttp().getRequest<object>());
    return isAllowed;
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
