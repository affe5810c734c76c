import type { IncomingMessage } from 'node:http';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import { NO_PARAMS, type PathParams } from '../../base/path-params.js';
import { canonicalPath, withoutSlash } from './canonical-path.js';
import { isPattern, PathPattern, type PatternRoute } from './path-pattern.js';
import { pathOf, type PathServer } from './path-server.js';
import { MAX_PATH } from './upgrade-request.js';

/** The server of a request. */
export interface Found {
  readonly server: PathServer;
  readonly params: PathParams;
  /** The fault of the path, for which the request is refused; null without one. */
  readonly fault: string | null;
}

/** The servers of one port by path. */
export class PathTable {
  readonly #servers = new Map<string, PathServer>();
  readonly #patterns = new Map<string, PathServer>();
  /** The routes of all patterns, the most specific first. */
  #routes: { readonly route: PatternRoute; readonly server: PathServer }[] = [];
  /** The server of a gateway without a path. */
  #ofEveryPath: PathServer | undefined;

  /** The server of exactly this path or pattern; the server of every path where `path` is null. */
  get(path: string | PathPattern | null): PathServer | undefined {
    if (path === null) return this.#ofEveryPath;
    return typeof path === 'string' ? this.#servers.get(path) : this.#patterns.get(path.key);
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a pattern that matches the paths of another one. */
  add(server: PathServer): void {
    const { pattern } = server;
    if (server.servesEveryPath) this.#ofEveryPath = server;
    else if (pattern === null) this.#addPath(server);
    else if (!this.#patterns.has(pattern.key)) this.#addPattern(server, pattern);
  }

  #addPath(server: PathServer): void {
    const other = this.#routes.find(({ route }) => route.shape === server.path);
    if (other) refuseSameShape(server.path, other.server.path);
    this.#servers.set(server.path, server);
  }

  #addPattern(server: PathServer, pattern: PathPattern): void {
    for (const { shape } of pattern.routes) {
      const other = this.#servers.get(shape) ?? this.#routes.find(({ route }) => route.shape === shape)?.server;
      if (other) refuseSameShape(server.path, other.path);
    }
    this.#patterns.set(pattern.key, server);
    const routes = pattern.routes.map(route => ({ route, server }));
    this.#routes = [...this.#routes, ...routes].toSorted((a, b) => a.route.compare(b.route));
  }

  /**
   * The server of a request. Every spelling of a gateway's path matches, with or without a trailing slash. A path comes before a pattern,
   * and of patterns the more specific one.
   */
  find(request: IncomingMessage): Found | undefined {
    const path = pathOf(request);
    const exact = this.#servers.get(path);
    if (exact) return found(exact);
    // Node decodes a request line as Latin-1, but a client that does not percent-encode sends UTF-8.
    const canonical = canonicalPath(Buffer.from(path, 'latin1').toString());
    const served = canonical === null ? undefined : (this.#ofPath(canonical) ?? this.#ofPattern(canonical));
    return served ?? (this.#ofEveryPath && found(this.#ofEveryPath));
  }

  #ofPath(canonical: string): Found | undefined {
    const served = this.#servers.get(withoutSlash(canonical));
    return served && (served.path === canonical || served.takesSlash) ? found(served) : undefined;
  }

  #ofPattern(canonical: string): Found | undefined {
    const short = withoutSlash(canonical);
    for (const { route, server } of this.#routes) {
      const takesSlash = short !== canonical && (route.takesSlash || server.takesSlash);
      const params = route.match(canonical) ?? (takesSlash ? route.match(short) : null);
      if (params === null) continue;
      if (canonical.length > MAX_PATH)
        return found(server, NO_PARAMS, `the path is longer than ${MAX_PATH} characters`);
      if (params === 'malformed') return found(server, NO_PARAMS, 'the path has an invalid percent-encoding');
      return found(server, params);
    }
    return undefined;
  }
}

function found(server: PathServer, params = NO_PARAMS, fault: string | null = null): Found {
  return { server, params, fault };
}

function refuseSameShape(path: string, other: string): never {
  throw new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `The paths ${JSON.stringify(path)} and ${JSON.stringify(other)} of gateways match the same requests: ` +
      'write them alike, so that the gateways share a server, or change one of them.',
  );
}

/**
 * A path in the form of the table: one leading slash and no trailing slash, as Nest writes paths, and percent-encoded, as clients send it.
 * A path with parameters, wildcards or optional parts is a pattern.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a path that no request can have.
 */
export function gatewayPath(path: unknown): string | PathPattern {
  const refuse = (fault: string): never => {
    throw new HeartbeatError(
      'HEARTBEAT_BAD_OPTIONS',
      `The path ${JSON.stringify(String(path))} of a gateway ${fault}: no request would ever reach it.`,
    );
  };
  if (typeof path !== 'string') return refuse('is not a text, such as "/chat"');
  if (/[?#]/.test(path)) return refuse('has a query or a fragment, which is not part of a path');
  if (/\p{Surrogate}/u.test(path)) return refuse('is not well-formed Unicode');
  const text = `/${path}`.replace(/\/+/g, '/');
  if (isPattern(text)) return patternOf(text);
  const canonical = canonicalPath(text);
  return canonical === null ? refuse('cannot be the path of a URL') : withoutSlash(canonical);
}

/** A pattern without parameters, such as `/a\:b`, is a path. */
function patternOf(text: string): string | PathPattern {
  try {
    const pattern = new PathPattern(text);
    const [route, ...others] = pattern.routes;
    return route?.match(route.shape) === NO_PARAMS && others.length === 0 ? route.shape : pattern;
  } catch (error) {
    const problem = `The path ${JSON.stringify(text.slice(0, 200))} of a gateway is no pattern that can be served`;
    const remedy =
      'write "/rooms/:room" for a parameter, "/files/*path" for the rest of a path, "/rooms{/:room}" for an optional part';
    throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `${problem} (${(error as Error).message}): ${remedy}.`);
  }
}
