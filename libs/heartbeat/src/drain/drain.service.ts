import { Injectable, type OnModuleDestroy } from '@nestjs/common';

import { callOf } from '../connection/application-call.js';
import { ConnectionService } from '../connection/connection.service.js';
import { InboundPolicy } from '../connection/ports.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { type DrainResult, DrainRun, terminatedBy } from './drain-run.js';

/** `draining` from the failure of readiness on. `drained` when no connection is left and new ones are refused. */
export type DrainState = 'serving' | 'draining' | 'drained';

/**
 * Closes all connections of the node, spread over time (`DrainRun`): serving → draining → drained, and back to serving by an abort. A drain
 * for the end of the process takes over the running one, and cannot be aborted.
 */
@Injectable()
export class DrainService implements OnModuleDestroy {
  /** Null while the node serves. */
  #run: DrainRun | null = null;
  /** Whether the process ends after the drain. */
  #isFinal = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
    private readonly inbound: InboundPolicy,
  ) {}

  /** Nest awaits this hook, also for `app.close()` without a signal. */
  async onModuleDestroy(): Promise<void> {
    await this.takeOver('the application closes');
  }

  /** @internal */
  get state(): DrainState {
    if (this.#run === null) return 'serving';
    return this.#run.isDrained ? 'drained' : 'draining';
  }

  /** Begins a drain, once. Every caller gets the same promise. */
  start(reason: string): Promise<DrainResult> {
    const isNew = this.#run === null;
    const { result } = this.#started(reason);
    if (isNew) this.events.calls.next(callOf('drain', this.node.id, 'done', { reason }));
    return result;
  }

  /**
   * Drains for the end of the process: begins a drain, or limits the running one by the options, counted from now. It cannot be aborted
   * afterwards.
   * @internal
   */
  takeOver(reason: string): Promise<DrainResult> {
    const run = this.#started(reason);
    if (!this.#isFinal) run.takeOver(this.node.options.drain);
    this.#isFinal = true;
    return run.result;
  }

  /**
   * Returns to serving, from either state of a drain. The promise of `start` resolves with `aborted: true`, and a later `start` begins a
   * new drain. Returns false where the node serves, and where the process ends after the drain.
   * @internal
   */
  abort(): boolean {
    const run = this.#run;
    if (run === null || this.#isFinal) return false;
    this.#run = null;
    run.abort();
    return true;
  }

  /**
   * Destroys the remaining connections in this turn, for a process that ends in it. Returns their number.
   * @internal
   */
  terminateAll(): number {
    const left = [...this.connections.all()];
    const terminated = terminatedBy(this.node.options.drain);
    for (const connection of left) connection.destroy(terminated);
    return left.length;
  }

  #started(reason: string): DrainRun {
    if (this.#run !== null) return this.#run;
    const { node, connections, events, inbound } = this;
    const run = new DrainRun({ node, connections, events, inbound }, node.options.drain);
    this.#run = run;
    run.begin(reason);
    return run;
  }
}
