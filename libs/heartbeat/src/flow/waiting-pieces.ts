import type { Transport } from '../connection/transport.js';

/** What is read of a transport. */
type Line = Pick<Transport, 'bytesTaken' | 'bytesGiven'>;

/**
 * What a message that waits costs beside its bytes: buffers for header and payload, and their entries in the queue of the socket.
 * Measured, RSS: 470 bytes for a `send` of 16 bytes, 360 for an empty pong, 1,150 for one whose promise is kept too.
 */
export const PIECE_BYTES = 512;
/** As many may wait as `maxBufferedBytes` has room for at so many bytes each: 4,096 by default, which cost 2 to 5 MB. */
const BYTES_FOR_EACH = 256;
/** So many may wait under any limit: they cost no more than half a megabyte. */
const LEAST = 1024;
/** Pieces between two readings of the socket. */
const PIECES_PER_READING = 64;

/** How many messages may wait for one connection. */
export function maxPieces(maxBufferedBytes: number): number {
  return Math.max(LEAST, Math.floor(maxBufferedBytes / BYTES_FOR_EACH));
}

/**
 * How many messages wait for one connection, without a callback for each: a count of those that were queued since a mark. When the
 * network has taken all that waited at a mark, what was queued before it has gone. So the count is never too low, and at most those
 * of one backlog too high. Held only while something waits.
 */
export class WaitingPieces {
  /** Queued since the older mark. */
  #count = 0;
  /** Queued since the younger mark. */
  #young = 0;
  /** What the network will have taken when all is gone that waited at the younger mark. */
  #markAt: number;

  constructor(line: Line) {
    this.#markAt = line.bytesGiven;
  }

  add(line: Line): void {
    this.#count++;
    if (++this.#young % PIECES_PER_READING === 0) this.#read(line);
  }

  /** How many wait now. */
  count(line: Line): number {
    this.#read(line);
    return this.#count;
  }

  /** Whether `most` wait; reads the socket only where it seems so. */
  isFull(most: number, line: Line): boolean {
    return this.#count >= most && this.count(line) >= most;
  }

  #read(line: Line): void {
    const taken = line.bytesTaken;
    if (taken < this.#markAt) return;
    this.#count = this.#young;
    this.#young = 0;
    this.#markAt = line.bytesGiven;
  }
}
