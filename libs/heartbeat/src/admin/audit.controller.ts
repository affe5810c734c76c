import { Get, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { AdminRoutes } from '../http/admin-routes.js';
import { AuditStore } from '../http/audit-store.js';
import type { AuditView } from '../http/audit-view.js';
import { ValidQuery } from '../http/input.pipe.js';
import { degradedIf } from './admin-answers.js';
import { auditQuery } from './audit-query.js';

/** The response of `GET audit`. */
export interface AuditList {
  readonly items: readonly AuditView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** Only while Redis is lost: the entries are those of the queried node. */
  readonly degraded?: true;
}

/** Creates `GET audit` below the admin path. */
export function createAuditController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class AuditController {
    constructor(private readonly store: AuditStore) {}

    @Get('audit')
    async list(@ValidQuery(auditQuery) query: z.output<typeof auditQuery>): Promise<AuditList> {
      const { items, end, isDegraded } = await this.store.page(query);
      return { items, nextCursor: end && query.cursorTo(end), ...degradedIf(isDegraded) };
    }
  }
  return AuditController;
}
