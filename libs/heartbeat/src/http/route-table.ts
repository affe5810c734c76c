import { RequestMethod } from '@nestjs/common';

import type { OwnRoute, RouteArea } from './own-routes.js';
import { isExactly } from './raw-request.js';

/** An entry of `exclude` of Nest's `setGlobalPrefix`, as `ApplicationConfig` stores it. */
export interface PrefixExclusion {
  readonly pathRegex: RegExp;
  readonly requestMethod: RequestMethod;
}

/** The result for a path. */
export interface PathEntry {
  readonly area: RouteArea;
  /** Methods of the library's routes with exactly this path; empty where the path is only below the admin path. */
  readonly methods: readonly string[];
}

/** The library's routes under the paths at which the application serves them. Paths are compared as they were sent, byte by byte. */
export class RouteTable {
  readonly #routes: readonly OwnRoute[];
  readonly #adminBases: readonly string[];

  /** @param prefix The global prefix; empty for none. */
  constructor(routes: readonly OwnRoute[], prefix: string, exclusions: readonly PrefixExclusion[] = []) {
    const base = prefix.split('/').filter(Boolean);
    const before = base.length === 0 ? '' : `/${base.join('/')}`;
    this.#routes = routes.map(route =>
      isExcluded(route, exclusions) ? route : { ...route, pattern: before + route.pattern },
    );
    this.#adminBases = [...new Set(this.#routes.filter(({ area }) => area === 'admin').map(baseOf))];
  }

  /** Returns null for a path of the application. */
  find(path: string): PathEntry | null {
    const matches = this.#routes.filter(({ pattern }) => isExactly(path, pattern));
    const [first] = matches;
    if (first !== undefined) return { area: first.area, methods: matches.map(({ method }) => method) };
    return this.isBelowAdmin(path) ? { area: 'admin', methods: [] } : null;
  }

  /** The name in the audit trail of the change that a request asks for; undefined where no route has it. */
  actionOf(method: string, path: string): string | undefined {
    return this.#routes.find(route => route.method === method && isExactly(path, route.pattern))?.action;
  }

  /** The segments of a path below the admin path; none for another path. */
  belowAdmin(path: string): string[] {
    const base = this.#adminBases.find(each => path.startsWith(`${each}/`));
    return base === undefined ? [] : path.slice(base.length + 1).split('/');
  }

  /** Whether a path is the admin path or below it. */
  isBelowAdmin(path: string): boolean {
    return this.#adminBases.some(base => path === base || path.startsWith(`${base}/`));
  }
}

/** The path of a route of the admin API without its own part. All routes have one static segment after the admin path. */
function baseOf({ pattern }: OwnRoute): string {
  const segments = pattern.split('/');
  const parameter = segments.findIndex(segment => segment.startsWith(':'));
  return segments.slice(0, (parameter === -1 ? segments.length : parameter) - 1).join('/');
}

function isExcluded({ pattern, method }: OwnRoute, exclusions: readonly PrefixExclusion[]): boolean {
  return exclusions.some(
    ({ pathRegex, requestMethod }) =>
      (requestMethod === RequestMethod.ALL || RequestMethod[requestMethod] === method) && pathRegex.test(pattern),
  );
}
