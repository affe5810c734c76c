import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { monotonicMs } from './clock.js';
import { FrameDecoder, type ReceivedFrame } from './frame-decoder.js';
import { closeCodeOf, closePayload, encodeFrame, NO_STATUS, Opcode } from './frames.js';
import { readAnswer, upgradeRequest } from './handshake.js';

export interface Endpoint {
  /** The address to connect to, already resolved. */
  readonly address: string;
  readonly port: number;
  readonly hostHeader: string;
  /** With its query. */
  readonly path: string;
}

/** One listener for all clients, so that a client costs no closure for each event. */
export interface LoadClientListener {
  opened(client: LoadClient): void;
  /** The connection never came to be; the last event of that client. */
  refused(client: LoadClient, reason: string): void;
  /** A text message; the bytes are valid during the call only. */
  message(client: LoadClient, payload: Buffer): void;
  /** A close frame came, or the peer broke the protocol. The socket has not ended yet. */
  closing(client: LoadClient, code: number): void;
  /** The server ended the socket (FIN or RST), or `destroy` was called. Once, the last event. */
  ended(client: LoadClient): void;
}

export type LoadClientState = 'opening' | 'open' | 'closing' | 'ended';

const PROTOCOL_ERROR = 1002;

/** One for all clients of the process: it is read and left within a single callback. */
const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);

/**
 * A WebSocket client over a bare socket, plain `ws://` only: a few kilobytes each, and able to stop
 * answering or reading at an exact moment, which a library's client is built to prevent.
 */
export class LoadClient {
  readonly index: number;
  readonly #key = randomBytes(16).toString('base64');
  readonly #listener: LoadClientListener;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #startedAt = monotonicMs();
  #answer: Buffer = Buffer.alloc(0);
  #state: LoadClientState = 'opening';
  #answering = true;
  #closeSent = false;
  #lastSentAt = this.#startedAt;

  constructor(index: number, endpoint: Endpoint, source: string | undefined, listener: LoadClientListener) {
    this.index = index;
    this.#listener = listener;
    this.#socket = connect({
      host: endpoint.address,
      port: endpoint.port,
      localAddress: source,
      noDelay: true,
      // Otherwise Node closes its side at the server's FIN, which a silent client must not do.
      allowHalfOpen: true,
      onread: { buffer: READ_BUFFER, callback: length => this.#read(READ_BUFFER.subarray(0, length)) },
    });
    this.#socket.on('connect', () => this.#write(upgradeRequest(endpoint.hostHeader, endpoint.path, this.#key)));
    this.#socket.on('end', () => this.#end('closed without an answer'));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    this.#socket.on('close', () => this.#end('closed without an answer'));
  }

  get state(): LoadClientState {
    return this.#state;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  /** When the last byte was handed to the kernel, on the clock of {@link monotonicMs}. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? '';
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  send(text: string): void {
    if (this.#state === 'open') this.#sendFrame(Opcode.text, text);
  }

  /** Begins the closing handshake; `ended` follows when the server ends the socket. */
  close(code: number): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#sendClose(code);
  }

  /** From now on nothing is sent: no pong and no close. Input is still read. */
  stopAnswering(): void {
    this.#answering = false;
  }

  /**
   * From now on nothing is read: the kernel's buffers fill up. The end of the connection is then
   * not noticed here, because Node neither reads nor polls a paused socket.
   */
  stopReading(): void {
    this.#socket.pause();
  }

  destroy(reason = 'destroyed'): void {
    this.#end(reason);
  }

  /** Returns true to go on reading, as `onread` wants it. */
  #read(bytes: Buffer): boolean {
    if (this.#state === 'opening') this.#readAnswer(bytes);
    else this.#readFrames(bytes);
    return true;
  }

  #readAnswer(bytes: Buffer): void {
    this.#answer = Buffer.concat([this.#answer, bytes]);
    const answer = readAnswer(this.#answer, this.#key, false);
    if (answer.kind === 'unfinished') return;
    this.#answer = Buffer.alloc(0);
    if (answer.kind === 'refused') {
      this.#end(answer.reason);
      return;
    }
    this.#state = 'open';
    this.#listener.opened(this);
    if (answer.rest.length > 0) this.#readFrames(answer.rest);
  }

  #readFrames(bytes: Buffer): void {
    for (const frame of this.#decoder.read(bytes)) {
      if (this.#state === 'ended') return;
      this.#receive(frame);
    }
    if (this.#decoder.violation === null || this.#state === 'ended') return;
    this.#listener.closing(this, PROTOCOL_ERROR);
    this.destroy();
  }

  #receive({ opcode, payload }: ReceivedFrame): void {
    if (opcode === Opcode.text) {
      this.#listener.message(this, payload);
    } else if (opcode === Opcode.ping && this.#answering && !this.#closeSent) {
      this.#sendFrame(Opcode.pong, payload);
    } else if (opcode === Opcode.close) {
      const code = closeCodeOf(payload);
      this.#state = 'closing';
      // The socket stays: a client lets the server end it first (RFC 6455 section 7.1.1).
      if (this.#answering) this.#sendClose(code);
      this.#listener.closing(this, code);
    }
  }

  #sendClose(code: number): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    // A close without a code is answered in kind.
    this.#sendFrame(Opcode.close, code === NO_STATUS ? '' : closePayload(code));
  }

  #sendFrame(opcode: Opcode, payload: Uint8Array | string): void {
    this.#write(encodeFrame({ opcode, payload }));
  }

  #write(data: Buffer | string): void {
    this.#socket.write(data);
    this.#lastSentAt = monotonicMs();
  }

  #end(reason: string): void {
    if (this.#state === 'ended') return;
    const opening = this.#state === 'opening';
    this.#state = 'ended';
    this.#socket.destroy();
    if (!opening) this.#listener.ended(this);
    else this.#listener.refused(this, this.#refusalReason(reason));
  }

  /** A refusal without Content-Length is complete only when the server has ended the socket. */
  #refusalReason(reason: string): string {
    if (this.#answer.length === 0) return reason;
    const answer = readAnswer(this.#answer, this.#key, true);
    return answer.kind === 'refused' ? answer.reason : reason;
  }
}
