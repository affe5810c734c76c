import type { LoadOptions } from './arguments.js';
import type { FaultPlan } from './faults.js';
import { splitConnections } from './file-limit.js';
import type { Endpoint } from './load-client.js';
import type { FleetOrder } from './messages.js';

/** Enough to keep each process small and its loop short; more processes than cores gain nothing else. */
const MOST_PER_PROCESS = 5_000;
/** Node listens with a queue of 511 connections; beyond it handshakes wait a second for their repetition. */
const MOST_OPENING = 256;

/** Divides the load among processes: each gets a run of indices, and what was planned for them. */
export function makeOrders(
  options: LoadOptions,
  plan: FaultPlan,
  endpoint: Endpoint,
  socketsPerProcess: number,
): FleetOrder[] {
  const sizes = splitConnections(options.connections, Math.min(MOST_PER_PROCESS, socketsPerProcess));
  let nextIndex = 0;
  return sizes.map((connections, position) => {
    const firstIndex = nextIndex;
    nextIndex += connections;
    const isOwn = (index: number): boolean => index >= firstIndex && index < firstIndex + connections;
    return {
      endpoint,
      firstIndex,
      connections,
      faults: plan.faults.filter(({ index }) => isOwn(index)),
      echoing: plan.echoing.filter(isOwn),
      echoEveryMs: options.echoEveryMs,
      mostOpening: Math.ceil(MOST_OPENING / sizes.length),
      openPerSecond: options.openPerSecond / sizes.length,
      asks: position === 0,
    };
  });
}

/** Half a minute is enough for any server that responds, beside the time that the pace itself takes. */
export function openWithinMs({ connections, openPerSecond }: LoadOptions): number {
  const pacedMs = openPerSecond === 0 ? connections : (connections / openPerSecond) * 1000;
  return 30_000 + pacedMs;
}
