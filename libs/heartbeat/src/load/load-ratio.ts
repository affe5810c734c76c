import type { LoadSources } from '../options/load.options.js';
import type { LoadLevel, LoadSource } from '../node/load-state.js';

/** Measurements since the last reading. */
export interface Reading {
  /** The mean delay of the event loop beyond its resolution, in milliseconds. */
  readonly loopDelayMs: number;
  /** The share of time that the event loop worked, 0 to 1. */
  readonly loopUtilisation: number;
  /** CPU of this process against what one thread can use, 0 to 1. */
  readonly cpu: number;
  /** V8 heap in use against its limit, 0 to 1. */
  readonly heap: number;
  /** The container's memory in use against its limit, 0 to 1; 0 without a limit, since other processes share a machine's memory. */
  readonly memory: number;
}

/** A delay that all clients notice: the event loop counts as full here. */
const FULL_DELAY_MS = 500;
/**
 * A process may use all of its CPU and still answer all clients in time. So work alone slows the heartbeat down, which begins at 0.7, but
 * never causes refusals or closes.
 */
const MOST_BY_WORK = 0.8;

/** The load by source, without sources that are switched off. */
export function loadBySource(reading: Reading, sources: LoadSources): [LoadSource, number][] {
  const loads: [LoadSource, number, boolean][] = [
    ['event-loop', reading.loopDelayMs / FULL_DELAY_MS, sources.eventLoop],
    ['heap', reading.heap, sources.heap],
    ['memory', reading.memory, sources.memory],
    ['cpu', Math.max(reading.cpu, reading.loopUtilisation) * MOST_BY_WORK, sources.cpu],
  ];
  return loads.filter(([, , isOn]) => isOn).map(([source, ratio]) => [source, Math.min(1, Math.max(0, ratio))]);
}

/** The median of the last readings, so that one long garbage collection or one blocking handler does not count as load. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Each level is entered above its mark and left only this far below it, so that the level does not flap. */
const HYSTERESIS = 0.1;
const BUSY = 0.7;

/** The level that follows from the ratio and the current level. */
export function nextLevel(
  level: LoadLevel,
  ratio: number,
  marks: { refuseAbove: number; shedAbove: number },
): LoadLevel {
  const order: [LoadLevel, number][] = [
    ['shedding', marks.shedAbove],
    ['refusing', marks.refuseAbove],
    ['busy', Math.min(BUSY, marks.refuseAbove)],
  ];
  const from = order.findIndex(([name]) => name === level);
  const next = order.find(([, mark], rank) => {
    // A level includes the levels below it, and each ends only well below its mark.
    const isHeld = from !== -1 && rank >= from;
    return ratio > (isHeld ? Math.max(0, mark - HYSTERESIS) : mark);
  });
  return next?.[0] ?? 'well';
}
