import type { IncomingMessage } from 'node:http';

import { Delete, Get, HttpStatus, Param, Req, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { z } from 'zod';

import { ClusterKicks } from '../cluster/cluster-kicks.js';
import { ClusterService } from '../cluster/cluster.service.js';
import { ClosedConnections } from '../cluster/closed-connections.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import type { ClosedView, ConnectionDetail } from '../connection/listing/connection-view.js';
import { AdminAudit } from '../http/admin-audit.js';
import { type ClosedList, type ConnectionList, degradedIf, type KickAnswer } from './admin-answers.js';
import { closedQuery, kickQuery, listQuery } from './admin-query.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { AuditedAs } from '../http/own-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { noParameters } from '../http/query-parameter.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { notFound, type ProblemException } from '../http/problem.exception.js';

/** Creates the admin routes below `path` for connections. */
export function createAdminController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class AdminController {
    constructor(
      private readonly cluster: ClusterService,
      private readonly kicks: ClusterKicks,
      private readonly ended: ClosedConnections,
      private readonly directory: NodeDirectory,
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
    async detail(@Param('id') id: string, @ValidQuery(noParameters) _: object): Promise<ConnectionDetail> {
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

    @Get('closed')
    async closed(@ValidQuery(closedQuery) query: z.output<typeof closedQuery>): Promise<ClosedList> {
      const { limit, after, cursorTo } = query;
      const node = await existingNode(this.directory.find(query.node));
      const { items, hasMore } = await orSilent(this.ended.page(node, { limit, after }));
      return { items, nextCursor: hasMore ? cursorTo(items.at(-1)!.id) : null };
    }

    @Get('closed/:id')
    async closedDetail(@Param('id') id: string, @ValidQuery(noParameters) _: object): Promise<ClosedView> {
      const detail = await orSilent(this.ended.get(id));
      if (detail === null) throw noClosed();
      return detail;
    }
  }
  return AdminController;
}

function noClosed(): ProblemException {
  return notFound(
    'The closed history has no connection with this id: it is open, was closed too long ago, was on a node that has ended, or never existed.',
  );
}

function noConnection(): ProblemException {
  return notFound('No open connection has this id. If it has ended, closed/:id of this API has its record.');
}
