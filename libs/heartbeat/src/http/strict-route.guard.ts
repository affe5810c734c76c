import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';

import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { cannotBeRebound, type HostJudge, hostJudge } from '../base/host-names.js';
import { problemOf } from '../base/problem.js';

import { AdminPort } from './admin-port.js';
import { areaOf } from './own-routes.js';
import { notFound, ProblemException } from './problem.exception.js';
import { isExactly, matchedPattern, mountPath, rawPath, rawRequest } from './raw-request.js';

/**
 * Admits a request only if its path is exactly the path of the route. The platforms also match another case, a trailing slash or encoded
 * letters, and a proxy that blocks `/metrics` by name would pass those.
 */
@Injectable()
export class StrictRouteGuard implements CanActivate {
  readonly #isHostServed: HostJudge;

  constructor(
    private readonly adminPort: AdminPort,
    @Inject(HEARTBEAT_OPTIONS) { hosts }: ResolvedOptions,
  ) {
    this.#isHostServed = hostJudge(hosts);
  }

  /** @throws ProblemException 404, or 421 for a host name that the option `hosts` lacks. */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<object>();
    const raw = rawRequest(request);
    if (!this.adminPort.serves(raw, context.getClass())) throw noRoute();
    if (areaOf(context.getClass()) !== 'health' && !this.#answersTo(raw.headers.host)) throw misdirected();
    const pattern = matchedPattern(request);
    if (pattern !== null && !isExactly(rawPath(request).slice(mountPath(request).length), pattern)) throw noRoute();
    return true;
  }

  /** A probe or a scraper uses the address of the node, which an attacker cannot use as the host of a page. */
  #answersTo(host: string | undefined): boolean {
    return this.#isHostServed(host) || cannotBeRebound(host);
  }
}

function misdirected(): ProblemException {
  const detail =
    'The server is not configured for this host: add its name to the option hosts (HOSTS), or request it by its address.';
  return new ProblemException(problemOf('misdirected-request', 421, detail));
}

function noRoute(): ProblemException {
  return notFound(
    'There is no such route: paths are compared exactly, with their case and without a slash at the end.',
  );
}
