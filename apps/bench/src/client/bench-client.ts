import { connect, type Socket } from 'node:net';
import { monotonicMs } from '../../../loadtest/src/clock.js';
import { CLOSE_FRAME, type Dialect } from './dialect.js';

/** Where to, and how to speak there. */
export interface ClientsTarget {
  readonly dialect: Dialect;
  readonly port: number;
  /** The whole request, the same for all clients. */
  readonly upgrade: Buffer;
}

/** The events of all clients of a process. */
export interface ClientsListener {
  opened(client: BenchClient): void;
  pinged(client: BenchClient): void;
  messaged(client: BenchClient): void;
  /** The server's close frame has come. */
  closing(client: BenchClient): void;
  /** The last event of a client, whether it was ever open or not. */
  ended(client: BenchClient, reason: string): void;
}

/** All sockets of a process read into the same memory: input is processed before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);
const HEAD_END = Buffer.from('\r\n\r\n');
const SWITCHED = Buffer.from('HTTP/1.1 101');

/**
 * A client that costs next to nothing: a plain socket, frames that were built before, and no more parsing than it takes to tell
 * a ping from a message. So the server is what is measured.
 */
export class BenchClient {
  readonly #socket: Socket;
  readonly #target: ClientsTarget;
  readonly #listener: ClientsListener;
  #isUpgraded = false;
  #isOpen = false;
  /** The beginning of a frame whose rest has not come yet. */
  #rest: Buffer | null = null;
  #reason = 'closed without an answer';
  /** When the last byte was sent, monotonic milliseconds. */
  sentAt = 0;

  constructor(target: ClientsTarget, localAddress: string | undefined, listener: ClientsListener) {
    this.#target = target;
    this.#listener = listener;
    this.#socket = connect({
      host: '127.0.0.1',
      port: target.port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
      onread: {
        buffer: READ_BUFFER,
        callback: size => {
          this.#read(size);
          return true;
        },
      },
    });
    this.#socket.on('connect', () => this.send(target.upgrade));
    this.#socket.on('error', error => {
      this.#reason = error.message;
    });
    this.#socket.on('close', () => listener.ended(this, this.#reason));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(frame: Buffer): void {
    this.sentAt = monotonicMs();
    this.#socket.write(frame);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(size: number): void {
    const come = READ_BUFFER.subarray(0, size);
    const bytes = this.#rest === null ? come : Buffer.concat([this.#rest, come]);
    const read = this.#isUpgraded ? this.#readFrames(bytes, 0) : this.#readAnswer(bytes);
    this.#rest = read < bytes.length ? Buffer.from(bytes.subarray(read)) : null;
  }

  #readAnswer(bytes: Buffer): number {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return 0;
    if (!bytes.subarray(0, SWITCHED.length).equals(SWITCHED)) {
      this.#reason = `refused: ${bytes.toString('latin1', 9, bytes.indexOf('\r'))}`;
      this.destroy();
      return bytes.length;
    }
    this.#isUpgraded = true;
    if (this.#target.dialect.opensWithUpgrade) this.#open();
    return this.#readFrames(bytes, end + HEAD_END.length);
  }

  #readFrames(bytes: Buffer, from: number): number {
    let at = from;
    while (bytes.length - at >= 2) {
      const short = (bytes[at + 1] as number) & 0x7f;
      const head = short === 126 ? 4 : 2;
      if (short === 127) throw new Error('the bench requests no frame of 64 KiB or more');
      if (bytes.length - at < head) break;
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
      if (bytes.length - at < head + length) break;
      this.#heard((bytes[at] as number) & 0x0f, bytes, at + head, length);
      at += head + length;
    }
    return at;
  }

  #heard(opcode: number, bytes: Buffer, start: number, length: number): void {
    const { dialect } = this.#target;
    switch (dialect.kindOf(opcode, bytes, start, length)) {
      case 'ping':
        return this.#listener.pinged(this);
      case 'message':
        return this.#listener.messaged(this);
      case 'welcome':
        return this.send(dialect.greeting);
      case 'open':
        return this.#open();
      case 'close':
        this.#listener.closing(this);
        this.#socket.end(CLOSE_FRAME);
        return;
      case 'other':
    }
  }

  #open(): void {
    this.#isOpen = true;
    this.#listener.opened(this);
  }
}
