import type { IncomingMessage, ServerResponse } from 'node:http';

import type { INestApplication } from '@nestjs/common';
import type { HeartbeatRoutes } from 'nestjs-heartbeat';
import { DEFAULT_ROUTES } from 'nestjs-heartbeat/tooling';

/** Paths of this port by name. */
export type Links = Readonly<Record<string, string>>;

/**
 * The links of `/`: the routes of this port, without those that are switched off (false).
 * @param hasAdminPort Whether ADMIN_PORT has admin API, metrics and API docs; they are not on this port then.
 */
export function linksOf(routes: HeartbeatRoutes, hasAdminPort: boolean): Links {
  const { health, metrics, admin } = routes;
  return {
    ...(!hasAdminPort && { docs: '/docs' }),
    ...(health !== false && { health }),
    ...(!hasAdminPort && metrics !== false && { metrics }),
    ...(!hasAdminPort && admin !== false && { admin: `${admin}/connections` }),
  };
}

/** Serves `/` of the application's port: a page of links for browsers, JSON for programs. */
export function serveHomePage(app: INestApplication, hasAdminPort: boolean): void {
  const links = linksOf(DEFAULT_ROUTES, hasAdminPort);
  const [json, html] = [`${JSON.stringify({ name: 'Heartbeat reference server', links })}\n`, pageOf(links)];
  app.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const { method = '', url = '', headers } = request;
    if (!/^\/(?:\?|$)/.test(url) || !['GET', 'HEAD'].includes(method)) return next();
    const isBrowser = /\btext\/html\b/i.test(headers.accept ?? '');
    const body = isBrowser ? html : json;
    response.writeHead(200, {
      'Content-Type': isBrowser ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      Vary: 'Accept',
    });
    response.end(method === 'HEAD' ? undefined : body);
  });
}

const ADMIN_NOTE = '<p>The admin API needs a token: <code>Authorization: Bearer &lt;token&gt;</code>.</p>\n';

function pageOf(links: Links): string {
  const items = Object.entries(links).map(
    ([name, path]) => `<li><a href="${path}">${name}</a>: <code>${path}</code></li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Heartbeat reference server</title>
<h1>Heartbeat reference server</h1>
<ul>
${items.join('\n')}
</ul>
${links['admin'] === undefined ? '' : ADMIN_NOTE}</html>
`;
}
