import { setTimeout as sleep } from 'node:timers/promises';

import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { notReadyReasons } from '../connection/readiness.js';
import { Handled } from '../base/handled.js';
import { HeartbeatService } from '../liveness/heartbeat.service.js';

/** Without a tick for this long the heartbeat counts as stopped; one is due every 50 ms. */
const TICK_STOPPED_MS = 5000;
/** Enough for a few ticks: after a stall of the loop a request may be handled before the timers that were due. */
const SECOND_LOOK_MS = 150;

/**
 * The state of this node for health checks: behind our own routes, and for an application's own Terminus controller, as in
 * `health.check([() => heartbeat.live(), () => heartbeat.ready()])`. An answer that is not `up` is data, never an exception.
 */
@Injectable()
export class HeartbeatHealthIndicator {
  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly heartbeat: HeartbeatService,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Whether this process is worth keeping: down only when the heartbeat's own tick has stopped, never for load or a drain.
   * @param secondLook How long to wait before an old tick is believed.
   */
  @Handled()
  async live<const Key extends string = 'heartbeat'>(
    key: Key = 'heartbeat' as Key,
    secondLook: () => Promise<unknown> = () => sleep(SECOND_LOOK_MS),
  ): Promise<HealthIndicatorResult<Key>> {
    if (this.#tickSeemsStopped) await secondLook();
    const data = { sinceTickMs: Math.round(this.heartbeat.sinceTickMs), intervalMs: this.heartbeat.intervalMs };
    const indicator = this.indicators.check(key);
    if (!this.#tickSeemsStopped) return indicator.up(data);
    return indicator.down({ ...data, message: `the heartbeat's tick has stopped ${data.sinceTickMs} ms ago` });
  }

  /**
   * Whether newcomers should come here: down while starting, draining or at capacity, and `reasons` says which; degraded, which is
   * no reason to send nobody, while Redis is lost.
   */
  ready<const Key extends string = 'readiness'>(key: Key = 'readiness' as Key): HealthIndicatorResult<Key> {
    const reasons = notReadyReasons(this.node);
    const data = {
      node: this.node.id,
      connections: this.connections.count,
      maxConnections: this.node.options.limits.maxConnections,
      ...(this.node.draining && { remaining: this.connections.count }),
    };
    const indicator = this.indicators.check(key);
    if (reasons.length > 0) return indicator.down({ ...data, reasons, message: reasons.join(', ') });
    if (!this.node.clusterLost) return indicator.up(data);
    return indicator.degraded({ ...data, message: 'Redis does not answer: this node works alone' });
  }

  /** Whether the application has bootstrapped. */
  startup<const Key extends string = 'startup'>(key: Key = 'startup' as Key): HealthIndicatorResult<Key> {
    const indicator = this.indicators.check(key);
    if (this.node.bootstrapped) return indicator.up({ node: this.node.id });
    return indicator.down({ node: this.node.id, message: 'starting' });
  }

  /** Before the start there is no tick yet, and that is no fault. */
  get #tickSeemsStopped(): boolean {
    return this.node.bootstrapped && this.heartbeat.sinceTickMs > TICK_STOPPED_MS;
  }
}
