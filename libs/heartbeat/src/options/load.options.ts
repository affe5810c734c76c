import { z } from 'zod';

import { CloseCodes } from '../protocol/close-code.js';
import { flag, group, share } from './checkers.js';

const closeCodeRule = `must be ${CloseCodes.tryAgainLater.code} or ${CloseCodes.overloaded.code}`;

/** The measurements that the load consists of. */
export interface LoadSources {
  /** The delay of the event loop. Default: true. */
  eventLoop: boolean;
  /** The V8 heap against its limit. Default: true. */
  heap: boolean;
  /** The container's memory against its limit. Default: true. */
  memory: boolean;
  /** CPU and event-loop utilisation. They slow the heartbeat down and never refuse a client. Default: true. */
  cpu: boolean;
}

/** The reaction to load: one ratio from 0 (idle) to 1 (full). */
export interface LoadOptions {
  /**
   * Above this ratio upgrades are refused with 503 `overloaded`.
   * Default: 0.9.
   */
  refuseAbove: number;
  /**
   * Above this ratio the longest idle connections are closed with `closeCode`, a few at a time.
   * Default: 0.97.
   */
  shedAbove: number;
  /**
   * The close code for "try again later": 1013, or 4006 with the same meaning for clients that do not support 1013. It is sent while
   * shedding, to users above `limits.maxPerUser`, and by `limits.refuseWith: 'close'`.
   * Default: 1013.
   */
  closeCode: 1013 | 4006;
  source: Readonly<LoadSources>;
}

export const LOAD_DEFAULTS: LoadOptions = {
  refuseAbove: 0.9,
  shedAbove: 0.97,
  closeCode: 1013,
  source: { eventLoop: true, heap: true, memory: true, cpu: true },
};

export const LOAD_RULES = group<LoadOptions>({
  // A level is left 0.1 below its mark, and that must be above the ratio of an idle node.
  refuseAbove: share(0.2),
  shedAbove: share(0.2),
  closeCode: z.literal([CloseCodes.tryAgainLater.code, CloseCodes.overloaded.code], closeCodeRule),
  source: group({ eventLoop: flag(), heap: flag(), memory: flag(), cpu: flag() }),
});
