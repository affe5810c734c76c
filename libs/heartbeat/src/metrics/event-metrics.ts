import { type HeartbeatEventOf, REFUSAL_REASONS } from '../connection/heartbeat.events.js';
import { DRIFT_KINDS, MESSAGE_REFUSALS, REAP_REASONS } from './label-values.js';
import type { Count, MetricSet } from './metric-set.js';

/** Kinds whose events count corrected entries. The events of other kinds report the size of a growing collection. */
const CORRECTED: ReadonlySet<string> = new Set(['registry', 'socket', 'index']);

/** The events that feed metrics. */
export const FEEDING = ['refused', 'reaped', 'message-refused', 'drift'] as const;

/** The metrics that events feed. */
export class EventMetrics {
  readonly #refused: Readonly<Record<string, Count>>;
  readonly #reaped: Readonly<Record<string, Count>>;
  readonly #messagesRefused: Readonly<Record<string, Count>>;
  readonly #drift = Object.fromEntries(DRIFT_KINDS.map(kind => [kind, 0]));

  constructor(metrics: MetricSet) {
    this.#refused = metrics.counterBy(
      'upgrades_refused_total',
      'Upgrades that were refused.',
      'reason',
      REFUSAL_REASONS,
    );
    this.#reaped = metrics.counterBy(
      'reaped_total',
      'Connections that the scheduled task closed.',
      'reason',
      REAP_REASONS,
    );
    this.#messagesRefused = metrics.counterBy(
      'messages_refused_total',
      'Messages that were refused.',
      'reason',
      MESSAGE_REFUSALS,
    );
    metrics.gaugeBy(
      'registry_drift',
      'Entries of the registry that were wrong and repaired since the start (registry, socket, index), and the last reported ' +
        'size of what grows (listeners, disposers, streams, retained).',
      'kind',
      () => this.#drift,
    );
  }

  take(event: HeartbeatEventOf<(typeof FEEDING)[number]>): void {
    switch (event.type) {
      case 'refused':
        return this.#refused[event.reason]?.inc();
      case 'reaped':
        return this.#reaped[event.reason]?.inc();
      case 'message-refused':
        return this.#messagesRefused[event.reason]?.inc();
      case 'drift':
        this.#drift[event.kind] = event.count + (CORRECTED.has(event.kind) ? this.#drift[event.kind]! : 0);
    }
  }
}
