import type { IncomingMessage } from 'node:http';

/** A request as the platforms pass it to guards. Express extends Node's own object; Fastify wraps it as `raw`. */
interface PlatformRequest {
  readonly raw?: IncomingMessage;
  /** Express: the URL before a mounted router has shortened it, and the path of that router. */
  readonly originalUrl?: string;
  readonly baseUrl?: string;
  readonly url?: string;
  /** Express: the route that matched. */
  readonly route?: { readonly path?: unknown };
  /** Fastify: the route that matched. */
  readonly routeOptions?: { readonly url?: unknown };
}

/** Node's own request. */
export function rawRequest(request: object): IncomingMessage {
  return (request as PlatformRequest).raw ?? (request as IncomingMessage);
}

/** The path exactly as it was sent: not decoded, not normalised, without the query string. */
export function rawPath(request: object): string {
  const { originalUrl, url } = request as PlatformRequest;
  const sent = originalUrl ?? rawRequest(request).url ?? url ?? '/';
  // The absolute form (RFC 9112, section 3.2.2) begins with scheme and authority.
  const path = sent.startsWith('/') ? sent : sent.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  const end = path.search(/[?#]/);
  return (end === -1 ? path : path.slice(0, end)) || '/';
}

/** The query string as it was sent, without the question mark; empty without one. */
export function rawQuery(request: object): string {
  const url = rawRequest(request).url ?? '';
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1);
}

/** The pattern of the route that the platform matched, as Nest registered it; null where the platform does not report it. */
export function matchedPattern(request: object): string | null {
  const { route, routeOptions } = request as PlatformRequest;
  const pattern = route?.path ?? routeOptions?.url;
  return typeof pattern === 'string' ? pattern : null;
}

/** The path at which another Express application has mounted this one; empty otherwise. */
export function mountPath(request: object): string {
  return (request as PlatformRequest).baseUrl ?? '';
}

/** Whether a path matches a pattern exactly: the same text in each static segment, a text in each parameter. */
export function isExactly(path: string, pattern: string): boolean {
  const given = path.split('/');
  const wanted = pattern.split('/');
  return (
    given.length === wanted.length &&
    wanted.every((segment, index) => (segment.startsWith(':') ? given[index] !== '' : given[index] === segment))
  );
}
