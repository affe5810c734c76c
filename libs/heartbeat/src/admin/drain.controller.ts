import type { IncomingMessage } from 'node:http';

import { Delete, Get, HttpCode, HttpStatus, Post, Req, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { problemOf } from '../base/problem.js';
import type { DrainPlan } from '../drain/drain-status.js';
import { misfitOf } from '../drain/drain-verdict.js';
import { type DrainAborted, NodeDrains, type DrainStarted } from '../drain/node-drains.js';
import { AdminAudit } from '../http/admin-audit.js';
import { resultOf } from '../http/admin-refusals.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidBody, ValidQuery } from '../http/input.pipe.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { type AdminProblem, ProblemException } from '../http/problem.exception.js';
import { AuditedAs } from '../http/own-routes.js';
import { nodeQuery } from '../http/query-parameter.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import type { AuditChange, AuditResult } from '../node/audit-entry.js';
import { NodeState } from '../node/node-state.js';
import { drainBody } from './drain-input.js';

/** An attempt to change a drain, for the audit trail. */
interface Attempt {
  readonly request: IncomingMessage;
  readonly what: 'drain' | 'abort-drain';
  readonly node: string | undefined;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Creates the routes `drain` below the admin path: plan, start and abort, on this node or another one. */
export function createDrainController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class DrainController {
    constructor(
      private readonly node: NodeState,
      private readonly drains: NodeDrains,
      private readonly directory: NodeDirectory,
      private readonly audit: AdminAudit,
    ) {}

    @Get('drain')
    async plan(@ValidQuery(nodeQuery) { node }: z.output<typeof nodeQuery>): Promise<DrainPlan> {
      const since = this.node.clock.now();
      return orSilent(this.drains.planOf(await existingNode(this.directory.find(node)), since));
    }

    @Post('drain')
    @AuditedAs('drain')
    @HttpCode(HttpStatus.ACCEPTED)
    async start(
      @ValidBody(drainBody) { node, force, ...values }: z.output<typeof drainBody>,
      @Req() request: IncomingMessage,
    ): Promise<DrainPlan> {
      const by = this.audit.actorOf(request).who;
      const attempt: Attempt = { request, what: 'drain', node, parameters: { ...values, ...(force && { force }) } };
      return this.#recorded(attempt, (id, since) => this.drains.startOn(id, { by, force, values }, since));
    }

    @Delete('drain')
    @AuditedAs('abort-drain')
    async abort(
      @ValidQuery(nodeQuery) { node }: z.output<typeof nodeQuery>,
      @Req() request: IncomingMessage,
    ): Promise<DrainPlan> {
      const by = this.audit.actorOf(request).who;
      return this.#recorded({ request, what: 'abort-drain', node }, (id, since) => this.drains.abortOn(id, by, since));
    }

    /** The queried node records the attempt, whatever its outcome; the node that drains has the operator in its log and events. */
    async #recorded(
      { request, what, node, parameters }: Attempt,
      act: (nodeId: string, since: number) => Promise<DrainStarted | DrainAborted>,
    ): Promise<DrainPlan> {
      const since = this.node.clock.now();
      let target = node ?? '';
      const record = (result: AuditResult, after?: AuditChange['after']) =>
        this.audit.record(request, {
          what,
          target,
          result,
          ...(parameters && { parameters }),
          ...(after && { after }),
        });
      try {
        target = await existingNode(this.directory.find(node));
        const plan = acceptedPlan(await orSilent(act(target, since)));
        record('done', { state: plan.state, connections: plan.connections });
        return plan;
      } catch (error) {
        record(error instanceof ProblemException ? resultOf(error.problem) : 'failed');
        throw error;
      }
    }
  }
  return DrainController;
}

/** @throws ProblemException where the node refused. */
function acceptedPlan({ outcome, plan }: DrainStarted | DrainAborted): DrainPlan {
  if (outcome === 'started' || outcome === 'aborted') return plan;
  throw new ProblemException(problemFor(outcome, plan));
}

type RefusedOutcome = Exclude<DrainStarted['outcome'] | DrainAborted['outcome'], 'started' | 'aborted'>;

function problemFor(outcome: RefusedOutcome, plan: DrainPlan): AdminProblem {
  const { node, state, remaining, total, reason, estimatedMs, excessMs } = plan;
  switch (outcome) {
    case 'under-way': {
      const progress = `${node} drains already (${reason}), with ${remaining} of ${total} connections left`;
      const detail =
        state === 'drained'
          ? `${node} is drained (${reason}) and admits no client: DELETE drain makes it serve again.`
          : `${progress}: GET drain shows its progress, DELETE drain aborts it.`;
      return problemOf('drain-under-way', 409, detail);
    }
    case 'does-not-fit':
      return { ...problemOf('plan-does-not-fit', 400, misfitOf(estimatedMs, plan)), excessMs };
    case 'no-serving-node': {
      const remedy = 'start another node, abort its drain, or add "force": true';
      const detail = `No other node of the cluster serves, so that clients of ${node} could not return: ${remedy}.`;
      return problemOf('no-serving-node', 400, detail);
    }
    case 'final': {
      const detail = `The process of ${node} ends after its drain (${reason}): it cannot be aborted.`;
      return problemOf('drain-final', 409, detail);
    }
    default:
      return problemOf('not-draining', 409, `${node} does not drain: there is nothing to abort.`);
  }
}
