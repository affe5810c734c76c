/** Free bytes before the payload: the longest header of an unmasked WebSocket frame has 10. */
const HEADROOM = 16;

/** A message to many connections, encoded once for all. Each transport frames it once for all of its connections. */
export class SharedMessage {
  readonly isBinary: boolean;
  /** A copy, so that later writes of the application into its buffer have no effect. */
  readonly payload: Buffer;
  readonly #bytes: Buffer;

  constructor(data: string | Buffer) {
    this.isBinary = typeof data !== 'string';
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    this.#bytes = Buffer.allocUnsafe(HEADROOM + payload.length);
    this.payload = this.#bytes.subarray(HEADROOM);
    payload.copy(this.payload);
  }

  /** The payload after a short header, in one piece without a copy: for transports whose header is the same for all clients. */
  behind(header: Buffer): Buffer {
    const start = HEADROOM - header.length;
    header.copy(this.#bytes, start);
    return this.#bytes.subarray(start);
  }
}
