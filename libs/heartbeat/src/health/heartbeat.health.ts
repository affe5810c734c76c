import { setTimeout as sleep } from 'node:timers/promises';

import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { notReadyReasons } from '../connection/readiness.js';
import { Handled } from '../base/handled.js';
import { HeartbeatService } from '../liveness/heartbeat.service.js';

/** Without a tick for this long the heartbeat counts as stopped. A tick is due every 50 ms. */
const TICK_STOPPED_MS = 5000;
/** Enough for a few ticks: after a stall of the event loop a request may be handled before the timers that were due. */
const SECOND_CHECK_MS = 150;

/**
 * The state of this node for health checks. It serves the library's own routes and an application's Terminus controller, as in
 * `health.check([() => heartbeat.live(), () => heartbeat.ready()])`. A result other than `up` is data, never an exception.
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
   * The liveness of this process. It is down only when the heartbeat's tick has stopped, never because of load or a drain.
   * @param secondCheck Waits before an old tick is checked a second time.
   */
  @Handled()
  async live<const Key extends string = 'heartbeat'>(
    key: Key = 'heartbeat' as Key,
    secondCheck: () => Promise<unknown> = () => sleep(SECOND_CHECK_MS),
  ): Promise<HealthIndicatorResult<Key>> {
    if (this.#tickSeemsStopped) await secondCheck();
    const data = { sinceTickMs: Math.round(this.heartbeat.sinceTickMs), intervalMs: this.heartbeat.intervalMs };
    const indicator = this.indicators.check(key);
    if (!this.#tickSeemsStopped) return indicator.up(data);
    return indicator.down({ ...data, message: `the heartbeat's tick has stopped ${data.sinceTickMs} ms ago` });
  }

  /**
   * Whether this node should receive new clients. It is down while starting, draining or at capacity, with the `reasons`. It is degraded
   * while Redis is lost: balancers should still send clients.
   */
  ready<const Key extends string = 'readiness'>(key: Key = 'readiness' as Key): HealthIndicatorResult<Key> {
    const reasons = notReadyReasons(this.node);
    const data = {
      node: this.node.id,
      connections: this.connections.count,
      maxConnections: this.node.limits.maxConnections,
      ...(this.node.draining && { remaining: this.connections.count }),
    };
    const indicator = this.indicators.check(key);
    if (reasons.length > 0) return indicator.down({ ...data, reasons, message: reasons.join(', ') });
    if (!this.node.clusterLost) return indicator.up(data);
    const message = 'Redis does not respond: this node works alone';
    // Terminus 11 has no `degraded()`. Its checks pass with this status, like those of Terminus 12.
    return { [key]: { ...data, message, status: 'degraded' } } as object as HealthIndicatorResult<Key>;
  }

  /** Whether the application has bootstrapped. */
  startup<const Key extends string = 'startup'>(key: Key = 'startup' as Key): HealthIndicatorResult<Key> {
    const indicator = this.indicators.check(key);
    if (this.node.bootstrapped) return indicator.up({ node: this.node.id });
    return indicator.down({ node: this.node.id, message: 'starting' });
  }

  /** Before the start there is no tick, which is not a fault. */
  get #tickSeemsStopped(): boolean {
    return this.node.bootstrapped && this.heartbeat.sinceTickMs > TICK_STOPPED_MS;
  }
}
