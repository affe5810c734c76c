import type { IncomingMessage } from 'node:http';

import {
  Controller,
  Header,
  HttpStatus,
  Inject,
  Post,
  Req,
  Res,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import type { AdminDoor } from '../admin-door.js';
import { ClientAddresses } from '../admission/client-addresses.js';
import { NodeState } from '../connection/node-state.js';
import { JsonBodyGuard } from '../http/json-body.guard.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { ReplyInterceptor } from '../http/reply.interceptor.js';
import { StrictRouteGuard } from '../http/strict-route.guard.js';
import { PROBLEM_JSON, type ProblemDetails, problemOf } from '../problem.js';
import { type HeapSnapshot, HeapSnapshotService } from './heap-snapshot.service.js';
import type { SnapshotRefusal } from './snapshot-rules.js';

/** `POST heap-snapshot` below the admin path, for operators. */
export function createHeapSnapshotController(path: string, { guard, audit, adminOf }: AdminDoor): Type<unknown> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(StrictRouteGuard, guard, JsonBodyGuard)
  @UseInterceptors(ReplyInterceptor)
  @UseFilters(ProblemFilter)
  class HeapSnapshotController {
    constructor(
      private readonly node: NodeState,
      private readonly snapshots: HeapSnapshotService,
      private readonly adapterHost: HttpAdapterHost,
      private readonly addresses: ClientAddresses,
      @Inject(audit) private readonly trail: InstanceType<AdminDoor['audit']>,
    ) {}

    @Post('heap-snapshot')
    @Header('Cache-Control', 'no-store')
    async take(@Req() request: IncomingMessage, @Res() response: object): Promise<HeapSnapshot | ProblemDetails> {
      const record = (result: string) =>
        this.trail.record({
          who: adminOf(request),
          what: 'heap-snapshot',
          target: this.node.id,
          from: this.addresses.of(request),
          result,
        });
      try {
        const outcome = await this.snapshots.take();
        if (!('reason' in outcome)) {
          record('done');
          return outcome;
        }
        record(`refused: ${outcome.reason}`);
        return this.#refuse(response, outcome);
      } catch (error) {
        record('failed');
        throw error;
      }
    }

    #refuse(response: object, { reason, detail, retryAfterSeconds }: SnapshotRefusal): ProblemDetails {
      const { httpAdapter } = this.adapterHost;
      const isTooOften = reason === 'busy' || reason === 'too-soon';
      const status = isTooOften ? HttpStatus.TOO_MANY_REQUESTS : HttpStatus.SERVICE_UNAVAILABLE;
      httpAdapter.status(response, status);
      httpAdapter.setHeader(response, 'Content-Type', PROBLEM_JSON);
      httpAdapter.setHeader(response, 'Retry-After', String(retryAfterSeconds));
      return problemOf(PROBLEM_NAMES[reason], status, detail);
    }
  }
  return HeapSnapshotController;
}

const PROBLEM_NAMES = {
  busy: 'snapshot-under-way',
  'too-soon': 'snapshot-too-soon',
  memory: 'insufficient-memory',
  disk: 'insufficient-disk',
} as const;
