import { type CanActivate, type ExecutionContext, Injectable, type Type } from '@nestjs/common';

import { takesQuery } from './own-routes.js';
import { badQuery, pointerTo } from './problem.exception.js';
import { rawQuery } from './raw-request.js';

/** Refuses a query for a route that takes none. The other routes refuse unknown parameters by their schemas. */
@Injectable()
export class KnownQueryGuard implements CanActivate {
  /** @throws ProblemException 400 that names every parameter. */
  canActivate(context: ExecutionContext): boolean {
    if (takesQuery(context.getClass<Type<unknown>>(), context.getHandler().name)) return true;
    const names = new Set(new URLSearchParams(rawQuery(context.switchToHttp().getRequest<object>())).keys());
    if (names.size === 0) return true;
    const detail = 'is no parameter of this route, which takes none';
    throw badQuery([...names].map(name => ({ pointer: pointerTo(name), detail })));
  }
}
