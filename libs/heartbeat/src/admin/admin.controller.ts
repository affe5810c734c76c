import type { IncomingMessage } from 'node:http';

import { Delete, Get, HttpStatus, Param, Req, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { z } from 'zod';

import { ClusterKicks } from '../cluster/cluster-kicks.js';
import { ClusterService } from '../cluster/cluster.service.js';
import type { ConnectionDetail } from '../connection/listing/connection-view.js';
import { AdminAudit } from '../http/admin-audit.js';
import { type ConnectionList, degradedIf, type KickAnswer } from './admin-answers.js';
import { kickQuery, listQuery } from './admin-query.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { AuditedAs } from '../http/own-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { orSilent } from '../http/one-node.js';
import { notFound, type ProblemException } from '../http/problem.exception.js';

/** Creates the admin routes below `path` for connections. */
export function createAdminController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class AdminController {
    constructor(
      private readonly cluster: ClusterService,
      private readonly kicks: ClusterKicks,
      private readonly audit: AdminAudit,
      private readonly adapterHost: HttpAdapterHost,
    ) {}

    @Get('connections')
    async list(@ValidQuery(listQuery) query: z.output<typeof listQuery>): Promise<ConnectionList> {
      const { cursorTo, ...asked } = query;
      const { items, end, total, nodes } = await this.cluster.list(asked);
      return { items, nextCursor: end && cursorTo(end), total, nodes, ...degradedIf(this.cluster.isDegraded) };
    }

    @Get('connections/:id')
    async detail(@Param('id') id: string): Promise<ConnectionDetail> {
      const detail = await orSilent(this.cluster.get(id));
      if (detail === undefined) throw noConnection();
      return detail;
    }

    /** A connection that is already closing gets the same response: its close has begun, as guaranteed. */
    @Delete('connections/:id')
    @AuditedAs('kick')
    async kick(
      @Param('id') id: string,
      @ValidQuery(kickQuery) parameters: z.output<typeof kickQuery>,
      @Req() request: IncomingMessage,
      @Res() response: object,
    ): Promise<KickAnswer> {
      const outcome = await this.kicks.kick(id, { ...parameters, by: this.audit.actorOf(request).who });
      const result = outcome === 'closing' ? 'done' : outcome;
      this.audit.record(request, { what: 'kick', target: id, result, parameters });
      if (outcome === 'not-found') throw noConnection();
      const node = id.slice(0, id.lastIndexOf('.'));
      if (outcome !== 'unconfirmed') return { id, node, closing: true };
      this.adapterHost.httpAdapter.status(response, HttpStatus.ACCEPTED);
      return { id, node, closing: false, confirmed: false };
    }
  }
  return AdminController;
}

function noConnection(): ProblemException {
  return notFound('No open connection has this id. If it has ended, closed/:id of this API has its record.');
}
