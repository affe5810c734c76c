import {
  Controller,
  Get,
  Header,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';

import type { AdminDoor } from '../admin-door.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { ReplyInterceptor } from '../http/reply.interceptor.js';
import { StrictRouteGuard } from '../http/strict-route.guard.js';
import { type DoctorReport, DoctorService } from './doctor.service.js';

/** `GET doctor` below the admin path. */
export function createDoctorController(path: string, { guard }: AdminDoor): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(StrictRouteGuard, guard)
  @UseInterceptors(ReplyInterceptor)
  @UseFilters(ProblemFilter)
  class DoctorController {
    constructor(private readonly doctor: DoctorService) {}

    @Get('doctor')
    @Header('Cache-Control', 'no-store')
    findings(): DoctorReport {
      return this.doctor.findings();
    }
  }
  return DoctorController;
}
