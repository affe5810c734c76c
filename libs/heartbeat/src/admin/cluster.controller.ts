import type { IncomingMessage } from 'node:http';

import {
  Body,
  type CanActivate,
  Controller,
  Delete,
  Get,
  Header,
  Param,
  Post,
  Req,
  type Type,
  UseFilters,
  UseGuards,
  UsePipes,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { z } from 'zod';

import type { Ban } from '../admission/ban-index.js';
import { BanList } from '../admission/ban-list.js';
import { ClientAddresses } from '../admission/client-addresses.js';
import { ClusterService } from '../cluster/cluster.service.js';
import { HeartbeatError } from '../heartbeat.error.js';
import { adminOf } from './admin-actor.js';
import { type BanPage, type BanView, degradedIf, type LiftAnswer, type NodeList } from './admin-answers.js';
import { AdminAudit } from './admin-audit.js';
import { banBody } from './admin-query.js';
import { badBody, notFound, pointerTo } from './problem.exception.js';
import { ProblemFilter } from './problem.filter.js';
import { QueryPipe } from './query.pipe.js';

/** The admin routes below `path` that are about what all nodes share: the nodes themselves, and bans. */
export function createClusterController(path: string, guard: Type<CanActivate>): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(guard)
  @UsePipes(new QueryPipe(badBody))
  @UseFilters(ProblemFilter)
  class ClusterController {
    constructor(
      private readonly cluster: ClusterService,
      private readonly banList: BanList,
      private readonly audit: AdminAudit,
      private readonly addresses: ClientAddresses,
    ) {}

    @Get('nodes')
    @Header('Cache-Control', 'no-store')
    async nodes(): Promise<NodeList> {
      return { items: await this.cluster.nodes(), ...degradedIf(this.cluster.isDegraded) };
    }

    @Get('bans')
    @Header('Cache-Control', 'no-store')
    bans(): BanPage {
      return { items: this.banList.list().map(shown) };
    }

    @Post('bans')
    @Header('Cache-Control', 'no-store')
    ban(@Body({ schema: banBody }) given: z.output<typeof banBody>, @Req() request: IncomingMessage): BanView {
      const { reason, ...rest } = given;
      const ban = this.#made({ ...rest, ...(reason !== undefined && { reason }) });
      this.#record(request, 'ban', ban.id, 'done', given);
      return shown(ban);
    }

    @Delete('bans/:id')
    @Header('Cache-Control', 'no-store')
    lift(@Param('id') id: string, @Req() request: IncomingMessage): LiftAnswer {
      const isLifted = this.banList.lift(id);
      this.#record(request, 'lift-ban', id, isLifted ? 'done' : 'not-found');
      if (!isLifted) throw notFound('There is no ban with this id: it has ended, was lifted, or never was.');
      return { id, lifted: true };
    }

    #made(given: Parameters<BanList['ban']>[0]): Ban {
      try {
        return this.banList.ban(given);
      } catch (error) {
        if (!(error instanceof HeartbeatError)) throw error;
        const faults = error.problems.map(({ key, rule, remedy }) => ({
          pointer: pointerTo(key),
          detail: `${rule}: ${remedy}`,
        }));
        throw badBody(faults);
      }
    }

    #record(
      request: IncomingMessage,
      what: 'ban' | 'lift-ban',
      target: string,
      result: 'done' | 'not-found',
      parameters?: Readonly<Record<string, unknown>>,
    ): void {
      const from = this.addresses.of(request);
      this.audit.record({ who: adminOf(request), what, target, from, result, ...(parameters && { parameters }) });
    }
  }
  return ClusterController;
}

function shown({ id, kind, value, reason, expiresAt }: Ban): BanView {
  return { id, kind, value, reason, expiresAt: expiresAt.toISOString() };
}
