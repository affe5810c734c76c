import { LONGEST_DEFAULT_SPREAD_MS, plannedMs } from './drain.options.js';
import type { Problem } from '../base/heartbeat.error.js';
import type { ResolvedOptions } from './heartbeat.options.js';

/** An impossible combination of options, with all of its keys. A pair is checked only when each value is possible alone. */
export interface PairProblem extends Problem {
  readonly keys: readonly string[];
}

/** The interval at which each node renews its lease in the cluster, and receives the changes that it has missed. */
const LEASE_RENEWAL_MS = 1000;

/** Combinations that could not keep the guarantees: docs/options.md, Pairs. */
export function impossiblePairs({
  heartbeat,
  limits,
  backpressure,
  drain,
  load,
  cluster,
  authenticate,
  identityFromRequest,
}: ResolvedOptions): PairProblem[] {
  const { minIntervalMs, intervalMs, maxIntervalMs, pongTimeoutMs } = heartbeat;
  const { readinessDelayMs, spreadMs = LONGEST_DEFAULT_SPREAD_MS, closeTimeoutMs } = drain;
  const { workTimeoutMs = 0, deadlineMs } = drain;
  const planned = plannedMs(drain);
  const found: (PairProblem | false)[] = [
    minIntervalMs > intervalMs && {
      key: 'heartbeat.minIntervalMs',
      keys: ['heartbeat.minIntervalMs', 'heartbeat.intervalMs'],
      value: minIntervalMs,
      rule: `must not be above heartbeat.intervalMs (${intervalMs})`,
      remedy: `set minIntervalMs to at most ${intervalMs}, or raise intervalMs`,
    },
    intervalMs > maxIntervalMs && {
      key: 'heartbeat.maxIntervalMs',
      keys: ['heartbeat.maxIntervalMs', 'heartbeat.intervalMs'],
      value: maxIntervalMs,
      rule: `must not be below heartbeat.intervalMs (${intervalMs})`,
      remedy: `set maxIntervalMs to at least ${intervalMs}, or lower intervalMs`,
    },
    pongTimeoutMs >= minIntervalMs && {
      key: 'heartbeat.pongTimeoutMs',
      keys: ['heartbeat.pongTimeoutMs', 'heartbeat.minIntervalMs'],
      value: pongTimeoutMs,
      rule: `must be below heartbeat.minIntervalMs (${minIntervalMs})`,
      remedy: 'lower it, or raise minIntervalMs',
    },
    planned > deadlineMs && {
      key: 'drain.deadlineMs',
      keys: ['deadlineMs', 'readinessDelayMs', 'spreadMs', 'closeTimeoutMs'].map(key => `drain.${key}`),
      value: deadlineMs,
      rule: `must not be below drain.readinessDelayMs + drain.spreadMs + drain.closeTimeoutMs (${readinessDelayMs} + ${spreadMs} + ${closeTimeoutMs} = ${planned})`,
      remedy: 'raise it, or lower one of the three',
    },
    planned <= deadlineMs &&
      planned + workTimeoutMs > deadlineMs && {
        key: 'drain.workTimeoutMs',
        keys: ['workTimeoutMs', 'deadlineMs', 'readinessDelayMs', 'spreadMs', 'closeTimeoutMs'].map(
          key => `drain.${key}`,
        ),
        value: workTimeoutMs,
        rule: `must not be above what readinessDelayMs, spreadMs and closeTimeoutMs leave of drain.deadlineMs (${deadlineMs} - ${planned} = ${deadlineMs - planned})`,
        remedy: `set workTimeoutMs to at most ${deadlineMs - planned}, raise deadlineMs, or lower one of the three`,
      },
    backpressure.maxBufferedBytes < limits.maxMessageBytes && {
      key: 'backpressure.maxBufferedBytes',
      keys: ['backpressure.maxBufferedBytes', 'limits.maxMessageBytes'],
      value: backpressure.maxBufferedBytes,
      rule: `must not be below limits.maxMessageBytes (${limits.maxMessageBytes})`,
      remedy: 'raise it, or lower maxMessageBytes',
    },
    load.refuseAbove >= load.shedAbove && {
      key: 'load.refuseAbove',
      keys: ['load.refuseAbove', 'load.shedAbove'],
      value: load.refuseAbove,
      rule: `must be below load.shedAbove (${load.shedAbove})`,
      remedy: 'lower it, or raise shedAbove',
    },
    cluster.leaseMs < 3 * LEASE_RENEWAL_MS && {
      key: 'cluster.leaseMs',
      keys: ['cluster.leaseMs'],
      value: cluster.leaseMs,
      rule: `must not be below three times the ${LEASE_RENEWAL_MS} ms after which a lease is renewed (${3 * LEASE_RENEWAL_MS})`,
      remedy: `set leaseMs to at least ${3 * LEASE_RENEWAL_MS}: one lost renewal must not end a lease`,
    },
    authenticate !== undefined &&
      identityFromRequest !== undefined && {
        key: 'identityFromRequest',
        keys: ['identityFromRequest', 'authenticate'],
        value: '(a function)',
        rule: 'must not be given beside authenticate, which returns the identity itself',
        remedy: 'leave one of the two out: authenticate sees what handshake guards attached to the request',
      },
    cluster.redisUrl !== undefined &&
      cluster.client !== undefined && {
        key: 'cluster.client',
        keys: ['cluster.client', 'cluster.redisUrl'],
        value: '(a client)',
        rule: 'must not be given beside cluster.redisUrl',
        remedy: 'leave one of the two out',
      },
  ];
  return found.filter(problem => problem !== false);
}
