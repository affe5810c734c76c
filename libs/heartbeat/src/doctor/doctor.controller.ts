import { Controller, Get, Header, type Type, UseFilters, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';

import type { AdminDoor } from '../admin-door.js';
import { type DoctorReport, DoctorService } from './doctor.service.js';

/** `GET doctor` below the admin path. */
export function createDoctorController(path: string, { guard, filter }: AdminDoor): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(guard)
  @UseFilters(filter)
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
