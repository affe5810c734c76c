import type { IncomingMessage } from 'node:http';

/** A request as the platforms hand it to guards: Express extends Node's own object, Fastify wraps it and names it `raw`. */
interface PlatformRequest {
  readonly raw?: IncomingMessage;
  /** Express: the URL before a mounted router has cut it, and where that router is mounted. */
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

/** The pattern of the route that the platform matched, as Nest registered it; null where the platform does not tell. */
export function matchedPattern(request: object): string | null {
  const { route, routeOptions } = request as PlatformRequest;
  const pattern = route?.path ?? routeOptions?.url;
  return typeof pattern === 'string' ? pattern : null;
}

/** Where an Express application that holds this one has mounted it; empty elsewhere. */
export function mountPath(request: object): string {
  return (request as PlatformRequest).baseUrl ?? '';
}

/** Whether a path is exactly of a pattern: the same text in each static segment, a text in each parameter. */
export function isExactly(path: string, pattern: string): boolean {
  const given = path.split('/');
  const wanted = pattern.split('/');
  return (
    given.length === wanted.length &&
    wanted.every((segment, index) => (segment.startsWith(':') ? given[index] !== '' : given[index] === segment))
  );
}
