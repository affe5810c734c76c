import type { Connection } from './connection.js';
import type { ConnectionService } from './connection.service.js';
import type { ClosedTotals } from '../node/closed-totals.js';
import { inSlices } from '../base/slices.js';

/** Bytes by direction. */
export interface Traffic {
  readonly in: number;
  readonly out: number;
}

/**
 * All bytes of all connections since the start, without a counter on the way. The sockets of open connections are read at the scrape, in
 * slices; the bytes of closed connections were added when they closed. The sums never decrease: a connection that closes during a reading
 * was open when it began, and is read as open.
 */
export class LiveBytes {
  #reading: Promise<Traffic> | null = null;

  constructor(
    private readonly connections: Pick<ConnectionService, 'all'>,
    private readonly closed: Pick<ClosedTotals, 'bytesIn' | 'bytesOut'>,
  ) {}

  /** Simultaneous scrapes share one reading. */
  read(): Promise<Traffic> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<Traffic> {
    const sum = { in: this.closed.bytesIn, out: this.closed.bytesOut };
    const living: readonly Connection[] = [...this.connections.all()];
    await inSlices(living, connection => {
      sum.in += connection.bytesIn;
      sum.out += connection.bytesOut;
    });
    return sum;
  }
}
