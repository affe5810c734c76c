import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import type { ClosedTotals } from '../node/closed-totals.js';
import { inSlices } from '../base/slices.js';

/** Bytes by direction. */
export interface Traffic {
  readonly in: number;
  readonly out: number;
}

/**
 * All bytes of all connections that ever were, without counting on the way: the sockets of the living are read at the scrape,
 * in slices, and those of the dead were added when they closed. The sums never go down: whoever closes during the reading
 * was among the living when it began, and is read as such.
 */
export class LiveBytes {
  #reading: Promise<Traffic> | null = null;

  constructor(
    private readonly connections: Pick<ConnectionService, 'all'>,
    private readonly closed: Pick<ClosedTotals, 'bytesIn' | 'bytesOut'>,
  ) {}

  /** Scrapes at the same time share one reading. */
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
