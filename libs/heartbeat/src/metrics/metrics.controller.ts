import type { IncomingMessage } from 'node:http';

import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  Inject,
  Injectable,
  Req,
  Res,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import type { AdminExposure } from '../http/admin-exposure.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { ReplyInterceptor } from '../http/reply.interceptor.js';
import { StrictRouteGuard } from '../http/strict-route.guard.js';
import { MetricsService } from './metrics.service.js';

/** Creates the route of the scrape at `path`. It is behind the admin guard when `metrics.guarded` is true. */
export function createMetricsController(path: string, { guard }: AdminExposure): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(StrictRouteGuard, whenGuarded(guard))
  @UseInterceptors(ReplyInterceptor)
  @UseFilters(ProblemFilter)
  class MetricsController {
    constructor(
      private readonly metrics: MetricsService,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Get()
    @Header('Cache-Control', 'no-store')
    @Header('Vary', 'Accept')
    async scrape(@Req() request: IncomingMessage, @Res() response: object): Promise<string> {
      const { contentType, body } = await this.metrics.expose(request.headers.accept);
      this.adapterHost.httpAdapter.setHeader(response, 'Content-Type', contentType);
      return body;
    }
  }
  return MetricsController;
}

/**
 * The admin guard, which passes every request unless `metrics.guarded` is true. That is an option and may come from a factory, too late for
 * a decorator.
 */
function whenGuarded(guard: Type<CanActivate>): Type<CanActivate> {
  @Injectable()
  class MetricsGuard extends guard {
    @Inject(HEARTBEAT_OPTIONS)
    private readonly heartbeatOptions!: ResolvedOptions;

    override canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
      return this.heartbeatOptions.metrics.guarded ? super.canActivate(context) : true;
    }
  }
  return MetricsGuard;
}
