import { type HeartbeatEventOf, REFUSAL_REASONS } from '../heartbeat.events.js';
import { CLOSED_BY, CODE_LABELS, codeLabel, DRIFT_KINDS, MESSAGE_REFUSALS, REAP_REASONS } from './label-values.js';
import type { Count, MetricSet } from './metric-set.js';

/** Seconds, from clients that cannot stay to those that never leave: one to a week. */
const DURATION_SECONDS = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200, 604_800];

/** Kinds whose entries were put right; of the others an event tells how far something has grown. */
const BOOKS: ReadonlySet<string> = new Set(['registry', 'socket', 'index']);

/** The events that metrics are fed by. */
export const FEEDING = ['closed', 'refused', 'reaped', 'message-refused', 'drift'] as const;

/** The metrics that are fed by events. */
export class EventMetrics {
  readonly #closed: Readonly<Record<string, Readonly<Record<string, Count>>>>;
  readonly #duration: { observe(seconds: number): void };
  readonly #refused: Readonly<Record<string, Count>>;
  readonly #reaped: Readonly<Record<string, Count>>;
  readonly #messagesRefused: Readonly<Record<string, Count>>;
  readonly #drift = Object.fromEntries(DRIFT_KINDS.map(kind => [kind, 0]));

  constructor(metrics: MetricSet) {
    this.#closed = metrics.counterByTwo(
      'connections_closed_total',
      'Connections that ended, by the recorded close code and by who ended them.',
      ['code', 'by'],
      [CODE_LABELS, CLOSED_BY],
    );
    this.#duration = metrics.histogram(
      'connection_duration_seconds',
      'How long connections lasted that ended.',
      DURATION_SECONDS,
    );
    this.#refused = metrics.counterBy(
      'upgrades_refused_total',
      'Upgrades that were not let in.',
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
      'Messages that were not taken.',
      'reason',
      MESSAGE_REFUSALS,
    );
    metrics.gaugeBy(
      'registry_drift',
      'Entries of the books that were wrong and put right since the start (registry, socket, index), and how far something ' +
        'had grown when it was last reported (listeners, disposers, retained).',
      'kind',
      () => this.#drift,
    );
  }

  take(event: HeartbeatEventOf<(typeof FEEDING)[number]>): void {
    switch (event.type) {
      case 'closed':
        this.#duration.observe(event.durationMs / 1000);
        return this.#closed[codeLabel(event.code)]?.[event.by]?.inc();
      case 'refused':
        return this.#refused[event.reason]?.inc();
      case 'reaped':
        return this.#reaped[event.reason]?.inc();
      case 'message-refused':
        return this.#messagesRefused[event.reason]?.inc();
      case 'drift':
        this.#drift[event.kind] = event.count + (BOOKS.has(event.kind) ? this.#drift[event.kind]! : 0);
    }
  }
}
