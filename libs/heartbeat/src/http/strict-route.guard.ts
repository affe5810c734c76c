import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';

import { AdminPort } from './admin-port.js';
import { notFound, type ProblemException } from './problem.exception.js';
import { isExactly, matchedPattern, mountPath, rawPath, rawRequest } from './raw-request.js';

/**
 * Lets a request reach a route of ours only where its path is exactly the one of the route. The platforms also match another
 * case, a slash at the end or encoded letters, and a proxy that hides `/metrics` by its name would pass those.
 */
@Injectable()
export class StrictRouteGuard implements CanActivate {
  constructor(private readonly adminPort: AdminPort) {}

  /** @throws ProblemException 404. */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<object>();
    if (!this.adminPort.serves(rawRequest(request), context.getClass())) throw noRoute();
    const pattern = matchedPattern(request);
    if (pattern !== null && !isExactly(rawPath(request).slice(mountPath(request).length), pattern)) throw noRoute();
    return true;
  }
}

function noRoute(): ProblemException {
  return notFound(
    'There is no such route: paths are compared exactly, with their case and without a slash at the end.',
  );
}
