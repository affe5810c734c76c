import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { wireText } from '../base/wire-values.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { drainRequest } from './drain-request.js';
import { type DrainPlan, drainPlan } from './drain-status.js';
import { DrainService } from './drain.service.js';

export const DRAIN_PLAN = { request: z.object({}), reply: drainPlan };
export const DRAIN_START = {
  request: z.object({ by: wireText, force: z.boolean(), values: drainRequest }),
  reply: z.object({ outcome: z.enum(['started', 'under-way', 'does-not-fit', 'no-serving-node']), plan: drainPlan }),
};
export const DRAIN_ABORT = {
  request: z.object({ by: wireText }),
  reply: z.object({ outcome: z.enum(['aborted', 'final', 'not-draining']), plan: drainPlan }),
};
/** A drain that an operator starts. `by` is the operator, for the log and the events of the node that drains. */
export type DrainStart = z.output<typeof DRAIN_START.request>;
/** The outcome, and the plan that began or was refused, or the progress of the drain that runs. */
export type DrainStarted = z.output<typeof DRAIN_START.reply>;
export type DrainAborted = z.output<typeof DRAIN_ABORT.reply>;

/**
 * Drains of this node and of others, by hand. Each method rejects with HeartbeatError `HEARTBEAT_NODE_SILENT` where the node does not
 * respond; its time counts from `since` (default: now). The drain runs on its node, and needs neither Redis nor the node that requested it.
 */
@Injectable()
export class NodeDrains {
  readonly #plan;
  readonly #start;
  readonly #abort;

  constructor(
    private readonly drain: DrainService,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#plan = requests.handle('drain-plan', DRAIN_PLAN, () => drain.plan());
    this.#start = requests.handle('drain-start', DRAIN_START, start => this.#startHere(start));
    this.#abort = requests.handle('drain-abort', DRAIN_ABORT, ({ by }) => this.#abortHere(by));
  }

  planOf(nodeId: string, since?: number): Promise<DrainPlan> {
    return this.#plan.sendToOne(nodeId, {}, since);
  }

  startOn(nodeId: string, start: DrainStart, since?: number): Promise<DrainStarted> {
    return this.#start.sendToOne(nodeId, start, since);
  }

  abortOn(nodeId: string, by: string, since?: number): Promise<DrainAborted> {
    return this.#abort.sendToOne(nodeId, { by }, since);
  }

  async #startHere({ by, force, values }: DrainStart): Promise<DrainStarted> {
    const isLast = !force && (await this.#isLastToServe());
    if (this.drain.state !== 'serving') return { outcome: 'under-way', plan: this.drain.plan() };
    const plan = this.drain.plan(values);
    if (!force && !plan.fits) return { outcome: 'does-not-fit', plan };
    if (isLast) return { outcome: 'no-serving-node', plan };
    this.drain.startFor(by, values);
    return { outcome: 'started', plan: this.drain.plan() };
  }

  #abortHere(by: string): DrainAborted {
    const isAborted = this.drain.abortFor(by);
    const plan = this.drain.plan();
    return { outcome: isAborted ? 'aborted' : plan.final ? 'final' : 'not-draining', plan };
  }

  /** Whether there are other nodes, and none of them serves. While Redis is lost their last known states count. */
  async #isLastToServe(): Promise<boolean> {
    const others = await this.directory.others();
    return others.length > 0 && others.every(({ state }) => state !== 'up');
  }
}
