import { Get, HttpStatus, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { HealthCheckResult, HealthIndicatorResult } from '@nestjs/terminus';

import { HealthRoutes } from '../http/admin-routes.js';
import { reportOf } from './health-report.js';
import { HeartbeatHealthIndicator } from './heartbeat.health.js';

/**
 * Creates the health routes below `path`, for balancers and orchestrators. They need no authentication, are never cached, and respond with
 * 503 as soon as one indicator is down. Terminus' `HealthCheckService` is not used: once the shutdown has begun it fails every check,
 * including `live`.
 */
export function createHealthController(path: string): Type<unknown> {
  @HealthRoutes(path)
  class HealthController {
    constructor(
      private readonly health: HeartbeatHealthIndicator,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Get()
    async all(@Res() response: object): Promise<HealthCheckResult> {
      return this.#answer(response, [await this.health.live(), this.health.ready(), this.health.startup()]);
    }

    @Get('live')
    async live(@Res() response: object): Promise<HealthCheckResult> {
      return this.#answer(response, [await this.health.live()]);
    }

    @Get('ready')
    ready(@Res() response: object): HealthCheckResult {
      return this.#answer(response, [this.health.ready()]);
    }

    @Get('startup')
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
