import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';

import { isDetached, readJson } from './json-body.js';
import { rawRequest } from './raw-request.js';

/** A body has no meaning for these methods (RFC 9110, section 9.3) and is not read. */
const WITHOUT_BODY: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'DELETE']);

/** Reads the body of a request that the previous guards admitted. It is a guard, because guards run in order and before pipes. */
@Injectable()
export class JsonBodyGuard implements CanActivate {
  /** @throws ProblemException As `readJson` does. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ body?: unknown }>();
    const raw = rawRequest(request);
    if (isDetached(raw) && !WITHOUT_BODY.has(raw.method)) request.body = await readJson(raw);
    return true;
  }
}
