import type { IncomingMessage } from 'node:http';

import {
  type CanActivate,
  Controller,
  Delete,
  Get,
  Header,
  Param,
  Query,
  Req,
  type Type,
  UseFilters,
  UseGuards,
  UsePipes,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { z } from 'zod';

import { ClientAddresses } from '../admission/client-addresses.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import type { ClosedView, ConnectionDetail } from '../connection-view.js';
import { adminOf } from './admin-actor.js';
import { AdminAudit, type AuditEntry } from './admin-audit.js';
import { type ClosedList, type ConnectionList, type KickAnswer, pageOfClosed } from './admin-answers.js';
import { closedQuery, kickQuery, listQuery } from './admin-query.js';
import { notFound, type ProblemException } from './problem.exception.js';
import { ProblemFilter } from './problem.filter.js';
import { QueryPipe } from './query.pipe.js';

/**
 * The admin routes below `path` that are about connections. Every route of the class is behind `guard`; every error is
 * problem details; no answer is cached.
 */
export function createAdminController(path: string, guard: Type<CanActivate>): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(guard)
  @UsePipes(new QueryPipe())
  @UseFilters(ProblemFilter)
  class AdminController {
    constructor(
      private readonly addresses: ClientAddresses,
      private readonly node: NodeState,
      private readonly connections: ConnectionService,
      private readonly audit: AdminAudit,
    ) {}

    @Get('connections')
    @Header('Cache-Control', 'no-store')
    list(@Query({ schema: listQuery }) query: z.output<typeof listQuery>): ConnectionList {
      const { cursorTo, ...asked } = query;
      const { items, end, total } = this.connections.list(asked);
      const nodes = [{ id: this.node.id, status: 'ok' as const, connections: this.connections.count, ageMs: 0 }];
      return { items, nextCursor: end && cursorTo(end), total, nodes };
    }

    @Get('connections/:id')
    @Header('Cache-Control', 'no-store')
    detail(@Param('id') id: string): ConnectionDetail {
      const detail = this.connections.detail(id);
      if (detail === undefined) throw noConnection();
      return detail;
    }

    /** The close of a connection that is closing already has begun, which is all that is promised: it is answered alike. */
    @Delete('connections/:id')
    @Header('Cache-Control', 'no-store')
    kick(
      @Param('id') id: string,
      @Query({ schema: kickQuery }) parameters: z.output<typeof kickQuery>,
      @Req() request: IncomingMessage,
    ): KickAnswer {
      const who = adminOf(request);
      const record = (result: AuditEntry['result']) =>
        this.audit.record({ who, what: 'kick', target: id, from: this.addresses.of(request), result, parameters });
      if (this.connections.get(id) === undefined) {
        record('not-found');
        throw noConnection();
      }
      const begun = this.connections.kick(id, { ...parameters, by: who });
      record(begun ? 'done' : 'already-closing');
      return { id, node: this.node.id, closing: true };
    }

    @Get('closed')
    @Header('Cache-Control', 'no-store')
    closed(@Query({ schema: closedQuery }) { limit, after, cursorTo }: z.output<typeof closedQuery>): ClosedList {
      const { items, end } = pageOfClosed(this.connections.closedHistory(), limit, after?.id ?? null);
      return { items, nextCursor: end && cursorTo(end) };
    }

    @Get('closed/:id')
    @Header('Cache-Control', 'no-store')
    closedDetail(@Param('id') id: string): ClosedView {
      const detail = this.connections.closedDetail(id);
      if (detail === undefined)
        throw notFound('No closed connection with this id is remembered: it is open, too long ago, or never was.');
      return detail;
    }
  }
  return AdminController;
}

function noConnection(): ProblemException {
  return notFound('There is no open connection with this id; if it has ended, the closed connections may tell how.');
}
