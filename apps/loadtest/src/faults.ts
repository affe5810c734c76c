import { drawIndices, type RandomSource } from './random.js';

/** A `silent` client reads everything and sends nothing; a `stopped` one does not read. The socket stays open in both. */
export type FaultKind = 'silent' | 'stopped';

export interface Fault {
  /** Which client. */
  readonly index: number;
  readonly kind: FaultKind;
  /** When, from the start of the run. */
  readonly atMs: number;
}

export interface FaultPlanRequest {
  readonly connections: number;
  readonly silent: number;
  readonly stopped: number;
  /** How many of the healthy clients send echoes. */
  readonly echoing: number;
  readonly lastFaultMs: number;
}

export interface FaultPlan {
  /** In order of their moment. */
  readonly faults: readonly Fault[];
  /** The healthy clients that send echoes. */
  readonly echoing: readonly number[];
}

/** The fault of each client and its time. The same request and seed give the same plan. */
export function planFaults(request: FaultPlanRequest, random: RandomSource): FaultPlan {
  const { silent, stopped, echoing } = request;
  const drawn = drawIndices(silent + stopped + echoing, request.connections, random);
  const faults = drawn.slice(0, silent + stopped).map((index, position): Fault => ({
    index,
    kind: position < silent ? 'silent' : 'stopped',
    atMs: Math.round(random() * request.lastFaultMs),
  }));
  return {
    faults: faults.toSorted((left, right) => left.atMs - right.atMs),
    echoing: drawn.slice(silent + stopped),
  };
}
