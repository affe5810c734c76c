import { Get, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { NodeDirectory } from '../messaging/node-directory.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { nodeQuery } from '../http/query-parameter.js';
import { type DoctorReport, DoctorService } from './doctor.service.js';

/** Creates `GET doctor` below the admin path, for this node or another one. */
export function createDoctorController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class DoctorController {
    constructor(
      private readonly doctor: DoctorService,
      private readonly directory: NodeDirectory,
    ) {}

    @Get('doctor')
    async findings(@ValidQuery(nodeQuery) { node }: z.output<typeof nodeQuery>): Promise<DoctorReport> {
      return orSilent(this.doctor.reportOf(await existingNode(this.directory.find(node))));
    }
  }
  return DoctorController;
}
