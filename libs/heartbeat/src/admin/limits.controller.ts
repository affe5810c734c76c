import type { IncomingMessage } from 'node:http';

import { Get, Patch, Req, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { HeartbeatError, type Problem } from '../base/heartbeat.error.js';
import { AdminAudit } from '../http/admin-audit.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidBody, ValidQuery } from '../http/input.pipe.js';
import { AuditedAs } from '../http/own-routes.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { badBody, type InputError, pointerTo } from '../http/problem.exception.js';
import { nodeQuery } from '../http/query-parameter.js';
import type { LimitChangeResult, LimitedNode } from '../limits/limit.service.js';
import { LimitService } from '../limits/limit.service.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeState } from '../node/node-state.js';
import { degradedIf } from './admin-answers.js';
import { type ConfigAnswer, ConfigService } from './config.service.js';
import { limitsBody } from './limits-body.js';

/** A node in the response of `PATCH limits`. */
type LimitsOfNode = Omit<LimitedNode, 'problems'> & { readonly errors: readonly InputError[] };

/** The response of `PATCH limits`. */
export interface LimitsAnswer {
  /** Null without an end. */
  readonly expiresAt: string | null;
  /** The limits in force before: of the node that was to change, and for `all` of the queried one. */
  readonly before: LimitChangeResult['before'];
  readonly nodes: readonly LimitsOfNode[];
  /** Only while Redis is lost, when other nodes cannot be reached. */
  readonly degraded?: true;
}

/** Creates the admin routes below `path` for limits at run time, and for the options in force. */
export function createLimitsController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class LimitsController {
    constructor(
      private readonly limits: LimitService,
      private readonly config: ConfigService,
      private readonly directory: NodeDirectory,
      private readonly node: NodeState,
      private readonly audit: AdminAudit,
    ) {}

    @Patch('limits')
    @AuditedAs('change-limits')
    async change(
      @ValidBody(limitsBody) given: z.output<typeof limitsBody>,
      @Req() request: IncomingMessage,
    ): Promise<LimitsAnswer> {
      const { forMs, node: named, ...limits } = given;
      const node = named === 'all' ? named : await existingNode(this.directory.find(named));
      const { who } = this.audit.actorOf(request);
      const change = this.limits.make(limits, { forMs, node, by: who });
      const { endsAt, before, nodes } = await asBadBody(orSilent(change));
      const after = nodes[0]!.limits ?? {};
      this.audit.record(request, {
        what: 'change-limits',
        target: node,
        result: 'done',
        parameters: given,
        before,
        after,
      });
      const shown = nodes.map(({ problems, ...rest }) => ({ ...rest, errors: problems.map(inputError) }));
      return { expiresAt: endsAt?.toISOString() ?? null, before, nodes: shown, ...degradedIf(this.node.clusterLost) };
    }

    @Get('config')
    async options(@ValidQuery(nodeQuery) { node }: z.output<typeof nodeQuery>): Promise<ConfigAnswer> {
      return orSilent(this.config.reportOf(await existingNode(this.directory.find(node))));
    }
  }
  return LimitsController;
}

/** Faults of limits as problem details. */
async function asBadBody<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof HeartbeatError)) throw error;
    throw badBody(error.problems.map(inputError));
  }
}

function inputError({ key, rule, remedy }: Problem): InputError {
  return { pointer: key === '' ? '' : pointerTo(key), detail: `${rule}: ${remedy}` };
}
