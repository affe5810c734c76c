import type { IncomingMessage, ServerResponse } from 'node:http';

import type { INestApplication } from '@nestjs/common';

/** For every response that is no page: nothing of it may be run or framed. */
const NO_PAGE = "default-src 'none'; frame-ancestors 'none'";
/** For the pages of Swagger UI: its own scripts, its inline styles, and its pictures, which are data. */
const DOCS_PAGE = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const DOCS = /^\/docs(?:[/?#]|$)/i;

/**
 * Headers for every HTTP response of the server. A page of its own may set another Content-Security-Policy later. None names
 * Express.
 */
export function secureResponses(app: INestApplication): void {
  (app.getHttpAdapter().getInstance() as { disable(setting: string): void }).disable('x-powered-by');
  app.use(({ url = '' }: IncomingMessage, response: ServerResponse, next: () => void) => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Content-Security-Policy', DOCS.test(url) ? DOCS_PAGE : NO_PAGE);
    next();
  });
}
