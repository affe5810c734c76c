import type { IncomingMessage } from 'node:http';

import { Get, Header, Req, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { MetricsRoutes } from '../http/admin-routes.js';
import { MetricsService } from './metrics.service.js';

/** Creates the route of the scrape at `path`. It is behind the admin guard when `metrics.guarded` is true. */
export function createMetricsController(path: string): Type<unknown> {
  @MetricsRoutes(path)
  class MetricsController {
    constructor(
      private readonly metrics: MetricsService,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Get()
    @Header('Vary', 'Accept')
    async scrape(@Req() request: IncomingMessage, @Res() response: object): Promise<string> {
      const { contentType, body } = await this.metrics.expose(request.headers.accept);
      this.adapterHost.httpAdapter.setHeader(response, 'Content-Type', contentType);
      return body;
    }
  }
  return MetricsController;
}
