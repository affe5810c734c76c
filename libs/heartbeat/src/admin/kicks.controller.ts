import type { IncomingMessage } from 'node:http';

import { Delete, Get, HttpCode, HttpStatus, Param, Post, Req, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { z } from 'zod';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { problemOf } from '../base/problem.js';
import { AdminAudit } from '../http/admin-audit.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidBody } from '../http/input.pipe.js';
import { AuditedAs } from '../http/own-routes.js';
import { badBody, notFound, pointerTo, ProblemException } from '../http/problem.exception.js';
import { KickService } from '../kicks/kick.service.js';
import type { KickJob } from '../kicks/kick.types.js';
import { kicksBody } from './kicks-body.js';
import { type KickJobView, type KickPlanView, type KickStarted, shownJob, shownPlan } from './kicks-answers.js';

/** Creates the admin routes below `path` for kicks of many connections. */
export function createKicksController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class KicksController {
    constructor(
      private readonly kicks: KickService,
      private readonly audit: AdminAudit,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Post('kicks')
    @HttpCode(HttpStatus.OK)
    @AuditedAs('bulk-kick')
    async kick(
      @ValidBody(kicksBody) { token, selection, options }: z.output<typeof kicksBody>,
      @Req() request: IncomingMessage,
      @Res() response: object,
    ): Promise<KickPlanView | KickStarted> {
      if (token === undefined) return shownPlan(await orProblem(this.kicks.plan(selection, options)));
      const start = await orProblem(this.kicks.start(token, options, this.audit.actorOf(request)));
      if (start.outcome === 'unknown-token') {
        throw notFound('There is no dry run with this token: it was more than five minutes ago, or never was.');
      }
      if (start.outcome === 'already-started') {
        this.audit.record(request, { what: 'bulk-kick', target: start.job, result: 'refused: already-started' });
        throw taken(start.job);
      }
      this.adapterHost.httpAdapter.status(response, HttpStatus.ACCEPTED);
      return { job: start.job };
    }

    @Get('kicks/:job')
    async job(@Param('job') job: string): Promise<KickJobView> {
      return existing(await orProblem(this.kicks.job(job)));
    }

    @Delete('kicks/:job')
    @AuditedAs('stop-bulk-kick')
    async stop(@Param('job') job: string, @Req() request: IncomingMessage): Promise<KickJobView> {
      return existing(await orProblem(this.kicks.stop(job, this.audit.actorOf(request))));
    }
  }
  return KicksController;
}

function existing(job: KickJob | undefined): KickJobView {
  if (job === undefined)
    throw notFound('There is no bulk kick with this id: it ended more than an hour ago, or never was.');
  return shownJob(job);
}

function taken(job: string): ProblemException {
  const detail = `This token was taken before: kicks/${job} of this API has the state of its job.`;
  return new ProblemException(problemOf('already-started', 409, detail));
}

/** Faults of a bulk kick as problem details. */
async function orProblem<Answer>(answer: Promise<Answer>): Promise<Answer> {
  return answer.catch((error: unknown) => {
    if (!(error instanceof HeartbeatError)) throw error;
    if (error.code === 'HEARTBEAT_REDIS_LOST') throw new ProblemException(problemOf('redis-lost', 503, error.message));
    if (error.code !== 'HEARTBEAT_BAD_QUERY') throw error;
    throw badBody(
      error.problems.map(({ key, rule, remedy }) => ({ pointer: pointerTo(key), detail: `${rule}: ${remedy}` })),
    );
  });
}
