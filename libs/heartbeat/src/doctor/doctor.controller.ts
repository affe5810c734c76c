import {
  Controller,
  Get,
  Header,
  Query,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { z } from 'zod';

import type { AdminExposure } from '../http/admin-exposure.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { nodeQuery } from '../http/query-parameter.js';
import { QueryPipe } from '../http/query.pipe.js';
import { ReplyInterceptor } from '../http/reply.interceptor.js';
import { StrictRouteGuard } from '../http/strict-route.guard.js';
import { type DoctorReport, DoctorService } from './doctor.service.js';

/** Creates `GET doctor` below the admin path, for this node or another one. */
export function createDoctorController(path: string, { guard }: AdminExposure): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(StrictRouteGuard, guard)
  @UseInterceptors(ReplyInterceptor)
  @UsePipes(new QueryPipe())
  @UseFilters(ProblemFilter)
  class DoctorController {
    constructor(
      private readonly doctor: DoctorService,
      private readonly directory: NodeDirectory,
    ) {}

    @Get('doctor')
    @Header('Cache-Control', 'no-store')
    async findings(@Query({ schema: nodeQuery }) { node }: z.output<typeof nodeQuery>): Promise<DoctorReport> {
      return orSilent(this.doctor.reportOf(await existingNode(this.directory.find(node))));
    }
  }
  return DoctorController;
}
