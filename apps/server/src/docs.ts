import type { IncomingMessage, ServerResponse } from 'node:http';

import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

import { DOCS } from './docs-port.js';

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** The application that serves the description of the other one. */
@Module({})
class DocsModule {}

/**
 * Serves the API's description. It is made at the first request for it: Swagger and what it imports are a quarter of all files that the
 * server would read at its start.
 */
export function serveDocs(app: INestApplication): void {
  let docs: Promise<Handler> | null = null;
  app.use(async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    if (!DOCS.test(request.url ?? '')) return next();
    const handle = await (docs ??= createDocs(app));
    return handle(request, response, next);
  });
}

async function createDocs(app: INestApplication): Promise<Handler> {
  const { setUpDocs } = await import('./openapi.js');
  // No `logger`: any value would replace the logger of the whole process, and `false` would end its log.
  const docs = await NestFactory.create(DocsModule, { bodyParser: false });
  const handler = docs.getHttpAdapter().getInstance() as Handler & { disable(setting: string): void };
  handler.disable('x-powered-by');
  setUpDocs(docs, app);
  await docs.init();
  return handler;
}
