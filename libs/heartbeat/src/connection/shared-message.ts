/** Free bytes before the payload: the longest header of an unmasked WebSocket frame has 10. */
const HEADROOM = 16;

/** A message that goes to many, encoded once for all. Each transport frames it once for all of its connections. */
export class SharedMessage {
  readonly isBinary: boolean;
  /** As it was when this was made, whatever the application writes into its buffer then. */
  readonly payload: Buffer;
  readonly #bytes: Buffer;

  constructor(data: string | Buffer) {
    this.isBinary = typeof data !== 'string';
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    this.#bytes = Buffer.allocUnsafe(HEADROOM + payload.length);
    this.payload = this.#bytes.subarray(HEADROOM);
    payload.copy(this.payload);
  }

  /** The payload behind a short header, in one piece without a copy: for transports whose header is the same for all clients. */
  behind(header: Buffer): Buffer {
    const start = HEADROOM - header.length;
    header.copy(this.#bytes, start);
    return this.#bytes.subarray(start);
  }
}
