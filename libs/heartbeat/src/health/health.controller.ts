import {
  Controller,
  Get,
  Header,
  HttpStatus,
  Res,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { HealthCheckResult, HealthIndicatorResult } from '@nestjs/terminus';

import { ProblemFilter } from '../http/problem.filter.js';
import { ReplyInterceptor } from '../http/reply.interceptor.js';
import { StrictRouteGuard } from '../http/strict-route.guard.js';
import { reportOf } from './health-report.js';
import { HeartbeatHealthIndicator } from './heartbeat.health.js';

/**
 * Creates the health routes below `path`, for balancers and orchestrators. They need no authentication, are never cached, and respond with
 * 503 as soon as one indicator is down. Terminus' `HealthCheckService` is not used: once the shutdown has begun it fails every check,
 * including `live`.
 */
export function createHealthController(path: string): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(StrictRouteGuard)
  @UseInterceptors(ReplyInterceptor)
  @UseFilters(ProblemFilter)
  class HealthController {
    constructor(
      private readonly health: HeartbeatHealthIndicator,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Get()
    @Header('Cache-Control', 'no-store')
    async all(@Res() response: object): Promise<HealthCheckResult> {
      return this.#answer(response, [await this.health.live(), this.health.ready(), this.health.startup()]);
    }

    @Get('live')
    @Header('Cache-Control', 'no-store')
    async live(@Res() response: object): Promise<HealthCheckResult> {
      return this.#answer(response, [await this.health.live()]);
    }

    @Get('ready')
    @Header('Cache-Control', 'no-store')
    ready(@Res() response: object): HealthCheckResult {
      return this.#answer(response, [this.health.ready()]);
    }

    @Get('startup')
    @Header('Cache-Control', 'no-store')
    startup(@Res() response: object): HealthCheckResult {
      return this.#answer(response, [this.health.startup()]);
    }

    #answer(response: object, results: readonly HealthIndicatorResult[]): HealthCheckResult {
      const report = reportOf(results);
      const status = report.status === 'error' ? HttpStatus.SERVICE_UNAVAILABLE : HttpStatus.OK;
      this.adapterHost.httpAdapter.status(response, status);
      return report;
    }
  }
  return HealthController;
}
