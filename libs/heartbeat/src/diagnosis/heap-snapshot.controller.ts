import type { IncomingMessage } from 'node:http';

import { HttpStatus, Post, Req, Res, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { z } from 'zod';

import { NodeDirectory } from '../messaging/node-directory.js';
import type { AuditResult } from '../node/audit-entry.js';
import { AdminAudit } from '../http/admin-audit.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { AuditedAs } from '../http/own-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { ProblemException } from '../http/problem.exception.js';
import { nodeQuery } from '../http/query-parameter.js';
import { PROBLEM_JSON, type ProblemDetails, problemOf } from '../base/problem.js';
import { type HeapSnapshot, HeapSnapshotService } from './heap-snapshot.service.js';
import type { SnapshotRefusal } from './snapshot-rules.js';

/** Creates `POST heap-snapshot` below the admin path, for operators: of this node or of another one. */
export function createHeapSnapshotController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class HeapSnapshotController {
    constructor(
      private readonly directory: NodeDirectory,
      private readonly snapshots: HeapSnapshotService,
      private readonly adapterHost: HttpAdapterHost,
      private readonly audit: AdminAudit,
    ) {}

    @Post('heap-snapshot')
    @AuditedAs('heap-snapshot')
    async take(
      @ValidQuery(nodeQuery) { node }: z.output<typeof nodeQuery>,
      @Req() request: IncomingMessage,
      @Res() response: object,
    ): Promise<HeapSnapshot | ProblemDetails> {
      const target = await existingNode(this.directory.find(node));
      const record = (result: AuditResult) => this.audit.record(request, { what: 'heap-snapshot', target, result });
      try {
        const outcome = await orSilent(this.snapshots.takeOn(target));
        if (!('reason' in outcome)) {
          record('done');
          return outcome;
        }
        record(`refused: ${outcome.reason}`);
        return this.#refuse(response, outcome);
      } catch (error) {
        const isSilent = error instanceof ProblemException && error.problem.status === 504;
        record(isSilent ? 'unconfirmed' : 'failed');
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
