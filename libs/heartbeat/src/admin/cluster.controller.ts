import type { IncomingMessage } from 'node:http';

import { Delete, Get, Param, Post, Req, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { AdminRoutes } from '../http/admin-routes.js';
import { AuditedAs } from '../http/own-routes.js';
import { ValidBody, ValidQuery } from '../http/input.pipe.js';
import { type Ban, type BanTarget, valueOf } from '../admission/ban-index.js';
import { BanList, type BanRequest } from '../admission/ban-list.js';
import { assertBan, faultOfReach, faultOfWidth } from '../admission/ban-rules.js';
import { ClusterService } from '../cluster/cluster.service.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import {
  type BanAnswer,
  type BanPage,
  type BanView,
  degradedIf,
  type LiftAnswer,
  type NodeList,
} from './admin-answers.js';
import { adminOf } from '../http/admin-actor.js';
import { AdminAudit } from '../http/admin-audit.js';
import { banBody, bansQuery } from './admin-query.js';
import { badBody, notFound, pointerTo, ProblemException } from '../http/problem.exception.js';
import { problemOf } from '../base/problem.js';

/** Creates the admin routes below `path` for the state that all nodes share: the nodes themselves, and bans. */
export function createClusterController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class ClusterController {
    constructor(
      private readonly cluster: ClusterService,
      private readonly banList: BanList,
      private readonly audit: AdminAudit,
    ) {}

    @Get('nodes')
    async nodes(): Promise<NodeList> {
      return { items: await this.cluster.nodes(), ...degradedIf(this.cluster.isDegraded) };
    }

    @Get('bans')
    async bans(@ValidQuery(bansQuery) { cursorTo, ...query }: z.output<typeof bansQuery>): Promise<BanPage> {
      const { items, total, hasMore } = await this.banList.page(query);
      const last = items.at(-1);
      return { items: items.map(shown), nextCursor: hasMore && last ? cursorTo(last.id) : null, total };
    }

    @Post('bans')
    @AuditedAs('ban')
    async ban(
      @ValidBody(banBody) given: z.output<typeof banBody>,
      @Req() request: IncomingMessage,
    ): Promise<BanAnswer> {
      const { reason, force, ...rest } = given;
      const wanted = { ...rest, ...(reason !== undefined && { reason }), by: adminOf(request).name };
      const { ban, closed } = await asBadBody(async () => {
        const target = assertBan(wanted);
        if (force !== true) await this.#assertNotTooWide(wanted, target);
        return this.banList.banAndClose(wanted);
      });
      this.audit.record(request, { what: 'ban', target: ban.id, result: 'done', parameters: given, after: { closed } });
      return { ...shown(ban), closed };
    }

    @Delete('bans/:id')
    @AuditedAs('lift-ban')
    lift(@Param('id') id: string, @Req() request: IncomingMessage): LiftAnswer {
      const isLifted = this.banList.end(id);
      this.audit.record(request, { what: 'lift-ban', target: id, result: isLifted ? 'done' : 'not-found' });
      if (!isLifted) throw notFound('There is no ban with this id: it has ended, was lifted, or never was.');
      return { id, lifted: true };
    }

    /** A mistyped digit must not close all connections. The connections that match a ban are counted on every node that replies. */
    async #assertNotTooWide({ kind }: BanRequest, target: BanTarget): Promise<void> {
      const width = faultOfWidth(target);
      if (width !== null) throw tooWide(width);
      const value = valueOf(kind, target);
      const filter = kind === 'user' ? { user: value } : { ip: value };
      const { total, nodes } = await this.cluster.list({ filter, limit: 1 });
      const all = nodes.reduce((sum, { status, connections }) => sum + (status === 'ok' ? connections : 0), 0);
      const reach = faultOfReach(total, all);
      if (reach !== null) throw tooWide(reach);
    }
  }
  return ClusterController;
}

/** Faults of a ban as problem details. */
async function asBadBody<Made>(make: () => Promise<Made>): Promise<Made> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof HeartbeatError)) throw error;
    throw badBody(
      error.problems.map(({ key, rule, remedy }) => ({ pointer: pointerTo(key), detail: `${rule}: ${remedy}` })),
    );
  }
}

function tooWide(detail: string): ProblemException {
  return new ProblemException(problemOf('ban-too-wide', 400, detail));
}

function shown({ id, kind, value, reason, expiresAt }: Ban): BanView {
  return { id, kind, value, reason, expiresAt: expiresAt.toISOString() };
}
