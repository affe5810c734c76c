/** Types of a packet of Socket.IO that binary values follow: an event, an acknowledgement. */
const BINARY = /^[56](\d+)-/;
/** The first characters of acknowledgements. */
const ACK = '3';
const BINARY_ACK = '6';

/**
 * The binary values of a message are packets of their own, and the decoder takes no other packet between them. This decides which packets of
 * a suspended session may pass those that wait: acknowledgements, for which a handler in flight may wait.
 */
export class PacketParts {
  /** Binary values that the decoder expects. */
  #expected = 0;
  /** Whether the last packet that arrived has not waited, nor has the packet that it is a part of. */
  #hasPassed = true;

  /** A packet that arrived was given to the decoder. */
  passed(data: string | Buffer = ''): void {
    this.#hasPassed = true;
    this.taken(data);
  }

  /** A packet that arrived waits. */
  waits(): void {
    this.#hasPassed = false;
  }

  /** A packet that waited was given to the decoder. */
  taken(data: string | Buffer = ''): void {
    if (typeof data !== 'string') this.#expected--;
    else if (data.charCodeAt(0) >= FIRST_BINARY) this.#expected = Number(BINARY.exec(data)?.[1] ?? 0);
  }

  /** Whether a packet that arrives may pass those that wait. */
  mayPass(data: string | Buffer = ''): boolean {
    if (typeof data !== 'string') return this.#hasPassed && this.#expected > 0;
    return this.#expected === 0 && (data.startsWith(ACK) || data.startsWith(BINARY_ACK));
  }
}

const FIRST_BINARY = '5'.charCodeAt(0);
