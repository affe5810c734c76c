import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { constants, inflateRawSync } from 'node:zlib';
import { FrameDecoder, type ReceivedFrame } from '../../../apps/loadtest/src/frame-decoder.js';
import { closeCodeOf, closePayload, encodeFrame, type FrameToSend, Opcode } from '../../../apps/loadtest/src/frames.js';
import { acceptFor } from '../../../apps/loadtest/src/handshake.js';
import { HttpAnswerReader, type HttpAnswer } from './http-answer.js';

/** The target of a {@link RawClient}, its upgrade and its behaviour. */
export interface RawClientOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Request target, sent as it is. Default `/ws`. */
  readonly path?: string;
  /** Added to the handshake's headers; `undefined` removes one of them, a list sends it several times. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The address to connect from, to be another client than the others. */
  readonly localAddress?: string;
  /** Answer pings. Default true. */
  readonly autoPong?: boolean;
}

/** A message or control payload with the moment of its arrival (`performance.now()`). */
export interface Received<T> {
  readonly at: number;
  readonly data: T;
}

/** How a connection ended. Without a Close frame the code is 1006, as RFC 6455 section 7.1.5 has it. */
export interface Ended {
  readonly code: number;
  readonly reason: string;
  /** `performance.now()` when the socket was closed. */
  readonly at: number;
  /** The socket's error, such as ECONNRESET. */
  readonly error: NodeJS.ErrnoException | null;
}

/**
 * A WebSocket client on a bare TCP socket: it can do everything that a well-behaved library refuses to do. It holds one socket,
 * a few shared callbacks and no timer, so thousands fit into a process.
 */
export class RawClient {
  readonly messages: Received<string | Buffer>[] = [];
  readonly pings: Received<Buffer>[] = [];
  readonly pongs: Received<Buffer>[] = [];
  /** Resolves when the socket is closed, by either side; never rejects. While paused, an end cannot be noticed. */
  readonly ended: Promise<Ended>;
  /** The Close frame that the server sent. */
  closeFrame: { code: number; reason: string } | null = null;

  readonly #options: RawClientOptions;
  readonly #decoder = new FrameDecoder();
  readonly #key = randomBytes(16).toString('base64');
  #socket: Socket | null = null;
  readonly #answer = new HttpAnswerReader();
  #autoPong: boolean;
  #autoClose = true;
  #error: NodeJS.ErrnoException | null = null;
  #resolveEnded: (ended: Ended) => void = () => {};

  constructor(options: RawClientOptions) {
    this.#options = options;
    this.#autoPong = options.autoPong ?? true;
    this.#decoder.mayCompress = String(options.headers?.['Sec-WebSocket-Extensions']).includes('permessage-deflate');
    this.ended = new Promise(resolve => (this.#resolveEnded = resolve));
    // For a client that only connects no code waits for an answer.
    this.#answer.answer.catch(() => {});
  }

  /** Connects and opens in one step; throws unless the server answered 101. */
  static async opened(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options);
    const { status, body } = await client.open();
    if (status !== 101) throw new Error(`the upgrade was answered ${status}: ${body}`);
    return client;
  }

  /** The socket underneath, for what this class does not offer. */
  get socket(): Socket {
    if (this.#socket === null) throw new Error('not connected: call connect() or open() first');
    return this.#socket;
  }

  /** Text messages in the order of arrival. */
  get texts(): string[] {
    return this.messages.flatMap(({ data }) => (typeof data === 'string' ? [data] : []));
  }

  /** Text messages read as JSON. */
  get json(): unknown[] {
    return this.texts.map(text => JSON.parse(text) as unknown);
  }

  /** The server's answer to the handshake, for one that was sent by {@link sendRaw}; `open()` resolves with the same. */
  get answer(): Promise<HttpAnswer> {
    return this.#answer.answer;
  }

  /** Opens the TCP connection and sends nothing yet. */
  async connect(): Promise<void> {
    const { host = '127.0.0.1', port, localAddress } = this.#options;
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }), noDelay: true });
    this.#socket = socket;
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    socket.on('data', chunk => this.#read(chunk));
    socket.on('error', error => (this.#error = error));
    socket.on('close', () => this.#closed());
    await connected;
  }

  /** Sends the upgrade request, connecting first when needed, and resolves with the server's answer, whatever its status. */
  async open(): Promise<HttpAnswer> {
    if (this.#socket === null) await this.connect();
    this.sendRaw(this.handshake());
    const answer = await this.answer;
    if (answer.status === 101 && answer.headers['sec-websocket-accept'] !== acceptFor(this.#key)) {
      throw new Error(`wrong Sec-WebSocket-Accept: ${answer.headers['sec-websocket-accept']}`);
    }
    return answer;
  }

  /** The bytes of the upgrade request, to be sent in pieces by {@link sendRaw}. */
  handshake(): string {
    const { host = '127.0.0.1', port, path = '/ws', headers = {} } = this.#options;
    const all: Record<string, string | readonly string[] | undefined> = {
      Host: `${host}:${port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': this.#key,
      'Sec-WebSocket-Version': '13',
      ...headers,
    };
    const lines = Object.entries(all).flatMap(([name, value = []]) => [value].flat().map(one => `${name}: ${one}`));
    return [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n');
  }

  sendText(text: string): void {
    this.sendFrame({ opcode: Opcode.text, payload: text });
  }

  /** Sends `{ event, data }`, the shape that Nest's gateways read. */
  sendEvent(event: string, data?: unknown): void {
    this.sendText(JSON.stringify({ event, data }));
  }

  sendBinary(payload: Buffer): void {
    this.sendFrame({ opcode: Opcode.binary, payload });
  }

  /** Sends one message in as many frames as there are parts. */
  sendFragments(parts: readonly string[], opcode: number = Opcode.text): void {
    parts.forEach((payload, i) =>
      this.sendFrame({ opcode: i === 0 ? opcode : Opcode.continuation, payload, fin: i === parts.length - 1 }),
    );
  }

  ping(payload: Buffer | string = ''): void {
    this.sendFrame({ opcode: Opcode.ping, payload });
  }

  pong(payload: Buffer | string = ''): void {
    this.sendFrame({ opcode: Opcode.pong, payload });
  }

  /** Sends a Close frame, empty without a code. The server is the one that ends the TCP connection. */
  close(code?: number, reason = ''): void {
    this.#autoClose = false;
    this.sendFrame({ opcode: Opcode.close, payload: code === undefined ? '' : closePayload(code, reason) });
  }

  sendFrame(frame: FrameToSend): void {
    this.sendRaw(encodeFrame(frame));
  }

  sendRaw(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** From now on answers neither ping nor close, but still reads: a peer whose process hangs. */
  silent(): void {
    this.#autoPong = false;
    this.#autoClose = false;
  }

  /** Stops reading: the kernel's buffers fill up, then the server's. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Ends with RST, as a crashed peer does. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Ends without a Close frame. Harmless when nothing is connected. */
  destroy(): void {
    this.#socket?.destroy();
  }

  #read(chunk: Buffer): void {
    const rest = this.#answer.upgraded ? chunk : this.#answer.push(chunk);
    if (rest === null || rest.length === 0) return;
    for (const frame of this.#decoder.read(rest)) this.#handle(frame);
    if (this.#decoder.violation !== null) this.socket.destroy(new Error(`the server sent ${this.#decoder.violation}`));
  }

  #handle({ opcode, payload: sent, isCompressed }: ReceivedFrame): void {
    const payload = isCompressed ? inflated(sent) : sent;
    if (opcode === Opcode.ping) {
      this.pings.push({ at: performance.now(), data: payload });
      if (this.#autoPong) this.pong(payload);
      return;
    }
    if (opcode === Opcode.pong) {
      this.pongs.push({ at: performance.now(), data: payload });
      return;
    }
    if (opcode === Opcode.close) {
      const code = closeCodeOf(payload);
      this.closeFrame ??= { code, reason: payload.toString('utf8', 2) };
      if (this.#autoClose) this.close(payload.length >= 2 ? code : undefined);
      return;
    }
    this.messages.push({ at: performance.now(), data: opcode === Opcode.text ? payload.toString('utf8') : payload });
  }

  #closed(): void {
    this.#answer.end(this.#error);
    const { code, reason } = this.closeFrame ?? { code: 1006, reason: '' };
    this.#resolveEnded({ code, reason, at: performance.now(), error: this.#error });
  }
}

/** The first compressed message of a connection (RFC 7692, section 7.2.2): one without the window of a message before it. */
function inflated(payload: Buffer): Buffer {
  const tail = Buffer.from([0, 0, 0xff, 0xff]);
  return inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH });
}
