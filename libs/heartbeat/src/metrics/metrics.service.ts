import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Registry } from 'prom-client';
import type { Subscription } from 'rxjs';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { OutboundService } from '../flow/outbound.service.js';
import { Handled } from '../base/handled.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { LoadService } from '../load/load.service.js';
import { EventMetrics, FEEDING } from './event-metrics.js';
import { expose, type Exposition, formatFor } from './exposition.js';
import { MetricSet } from './metric-set.js';
import { addReadMetrics } from './read-metrics.js';

/**
 * The node's metrics, in their own registry or in the app's. Events feed counters, unless the number is counted
 * elsewhere or events would be too frequent. Such numbers, and current values, are read at each scrape. The metrics of the process (memory,
 * handles, garbage collection) are left to the app: `collectDefaultMetrics({ register })` of prom-client, once in a process.
 */
@Injectable()
export class MetricsService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** The registry of the metrics: `metrics.registry`, or the library's own. */
  readonly registry: Registry;
  readonly #metrics: MetricSet;
  readonly #subscription: Subscription;

  constructor(
    private readonly node: NodeState,
    connections: ConnectionService,
    outbound: OutboundService,
    load: LoadService,
    events: HeartbeatEvents,
  ) {
    const { registry, prefix } = node.options.metrics;
    this.registry = registry ?? new Registry();
    this.#metrics = new MetricSet(prefix);
    const fed = new EventMetrics(this.#metrics);
    addReadMetrics(this.#metrics, { node, connections, outbound, load });
    this.#subscription = events.ofType(...FEEDING).subscribe(event => fed.take(event));
  }

  /** Runs late, so that a start that fails leaves nothing in the app's registry. */
  onApplicationBootstrap(): void {
    this.#metrics.registerIn(this.registry);
  }

  /** Nest's last hook, so that the drain is still counted. */
  onApplicationShutdown(): void {
    this.#subscription.unsubscribe();
    this.#metrics.unregisterFrom(this.registry);
  }

  /** All metrics of the registry, also the app's own, in the format that an `Accept` header requests. */
  @Handled()
  expose(accept: string | undefined): Promise<Exposition> {
    return expose(this.registry, formatFor(accept), (name, error) =>
      this.node.applicationFailed('metric', error, `the metric ${name} cannot be read`),
    );
  }
}
