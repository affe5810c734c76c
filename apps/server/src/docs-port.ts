import type { IncomingMessage } from 'node:http';

import { type INestApplication, NotFoundException } from '@nestjs/common';
import { AdminPort } from 'nestjs-heartbeat';

/** Where the API's description is. */
export const DOCS_PATHS = ['/docs', '/docs-json', '/docs-yaml'] as const;
/** The addresses of the description. */
export const DOCS = /^\/docs(?:-json|-yaml)?(?:[/?#]|$)/i;

/** With ADMIN_PORT the description of the admin API is served there only, beside what it describes. */
export function keepDocsToAdminPort(app: INestApplication): void {
  const port = app.get(AdminPort, { strict: false });
  app.use((request: IncomingMessage, _response: unknown, next: (error?: unknown) => void) => {
    next(DOCS.test(request.url ?? '') && !port.hasReceived(request) ? new NotFoundException() : undefined);
  });
}
