import { getHeapStatistics } from 'node:v8';

import { group, milliseconds, oneOf, whole } from './checkers.js';

/** Protection of the memory against clients that do not read. All bytes written to a socket count, also by a plain `client.send`. */
export interface BackpressureOptions {
  /**
   * Bytes that may be buffered for one connection. A message costs memory beside its bytes. So the number of buffered messages is limited
   * as well: one for each 256 bytes, and at least 1,024. Pongs count as messages.
   * Default: 1048576.
   */
  maxBufferedBytes: number;
  /**
   * Bytes that may be buffered for all connections together. Above, the connections with the most buffered bytes are closed.
   * Default: a quarter of the heap limit.
   */
  maxTotalBufferedBytes: number;
  /**
   * Bytes that a client with buffered bytes must read in a second.
   * Default: 1024.
   */
  minDrainBytesPerSecond: number;
  /**
   * A connection that is slower for this long is destroyed, with the recorded code 4003.
   * Default: 10000.
   */
  slowAfterMs: number;
  /**
   * The reaction at `maxBufferedBytes`: the connection is closed with 4003, or the new message is dropped.
   * Default: `close`.
   */
  policy: 'close' | 'drop-newest';
}

export const BACKPRESSURE_DEFAULTS: BackpressureOptions = {
  maxBufferedBytes: 1024 * 1024,
  maxTotalBufferedBytes: Math.floor(getHeapStatistics().heap_size_limit / 4),
  minDrainBytesPerSecond: 1024,
  slowAfterMs: 10_000,
  policy: 'close',
};

export const BACKPRESSURE_RULES = group<BackpressureOptions>({
  maxBufferedBytes: whole(1, Number.MAX_SAFE_INTEGER, 'bytes'),
  maxTotalBufferedBytes: whole(1, Number.MAX_SAFE_INTEGER, 'bytes'),
  minDrainBytesPerSecond: whole(0, Number.MAX_SAFE_INTEGER, 'bytes'),
  slowAfterMs: milliseconds(1),
  policy: oneOf('close', 'drop-newest'),
});
