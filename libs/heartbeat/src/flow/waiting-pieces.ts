import type { Transport } from '../connection/transport.js';

/** The part of a transport that is read. */
type Line = Pick<Transport, 'bytesTaken' | 'bytesGiven'>;

/**
 * Memory of a waiting message beside its bytes: buffers for header and payload, and their entries in the queue of the socket. Measured,
 * RSS: 470 bytes for a `send` of 16 bytes, 360 for an empty pong, 1,150 for a send whose promise is kept.
 */
export const PIECE_BYTES = 512;
/** One message may wait for each of these bytes of `maxBufferedBytes`: 4,096 by default, which cost 2 to 5 MB. */
const BYTES_FOR_EACH = 256;
/** Minimum of the limit: these messages cost no more than half a megabyte. */
const LEAST = 1024;
/** Pieces between two readings of the socket. */
const PIECES_PER_READING = 64;

/** Maximum of messages that wait for one connection. */
export function maxPieces(maxBufferedBytes: number): number {
  return Math.max(LEAST, Math.floor(maxBufferedBytes / BYTES_FOR_EACH));
}

/**
 * The number of messages that wait for one connection, without a callback for each: a count of those queued since a mark. When the network
 * has taken all bytes that waited at a mark, all earlier messages have left. So the count is never too low, and too high by at most one
 * backlog. It exists only while messages wait.
 */
export class WaitingPieces {
  /** Queued since the older mark. */
  #count = 0;
  /** Queued since the younger mark. */
  #young = 0;
  /** The total of taken bytes at which all that waited at the younger mark has left. */
  #markAt: number;

  constructor(line: Line) {
    this.#markAt = line.bytesGiven;
  }

  add(line: Line): void {
    this.#count++;
    if (++this.#young % PIECES_PER_READING === 0) this.#read(line);
  }

  /** The number of messages that wait now. */
  count(line: Line): number {
    this.#read(line);
    return this.#count;
  }

  /** Whether `most` wait. Reads the socket only where the count suggests it. */
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
