import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import { WebSocket } from 'ws';

import { failLater } from '../../connection/dropped.js';
import type { SharedMessage } from '../../connection/shared-message.js';
import type { Sent } from '../../connection/transport.js';
import { bytesTaken } from './bytes-taken.js';
import { hasIncompleteMessage } from './incomplete-message.js';
import { noteParts, sharedFrame, takesFrames } from './shared-frame.js';
import { textFrame } from './text-frame.js';
import { isPart, notOpen, type SendOptions } from './ws-message.js';

/**
 * The socket of `ws` with the network socket under it: the numbers of both, and writes that call no rule. A whole message is written past
 * the sender of `ws` where the bytes are the same (docs/decisions/0012).
 */
export class RawSocket extends WebSocket {
  /** Kept after the end, for the numbers that are recorded then. */
  #network: Socket | undefined = undefined;
  /** Frames that are collected for one write; null while none are collected. */
  #held: string | null = null;

  /** @internal Sets the network socket under this one, before the connection is created. */
  attach(network: Socket): void {
    this.#network = network;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.readyState === WebSocket.OPEN;
  }

  /** @internal */
  get isClosed(): boolean {
    return this.readyState === WebSocket.CLOSED;
  }

  /** @internal */
  get isHalted(): boolean {
    return this.isPaused || this.#network!.isPaused();
  }

  /** @internal */
  get bytesRead(): number {
    return this.#network!.bytesRead;
  }

  /** @internal */
  get bytesTaken(): number {
    return bytesTaken(this.#network!);
  }

  /** @internal */
  get bytesGiven(): number {
    return bytesTaken(this.#network!) + this.#network!.writableLength + this.#heldBytes;
  }

  /** @internal */
  get bytesWaiting(): number {
    return this.bufferedAmount + this.#heldBytes;
  }

  /** @internal */
  get hasIncompleteMessage(): boolean {
    return hasIncompleteMessage(this);
  }

  /** @internal */
  get emitters(): readonly EventEmitter[] {
    return this.#network === undefined ? [this] : [this, this.#network];
  }

  /** @internal */
  probe(): void {
    super.pong();
  }

  /** @internal */
  write(data: unknown, options?: object | null, sent?: Sent | null): void {
    if (!this.isOpen) {
      const { readyState } = this;
      return failLater(sent, () => notOpen(readyState));
    }
    if (typeof data === 'string' && !options && this.#writeText(data, sent)) return;
    this.flush();
    if (isPart(options)) noteParts(this);
    super.send(data as string, options as SendOptions, sent ?? undefined);
  }

  /** @internal It is already framed: one write is enough, where `ws` needs two for header and payload. */
  writeShared(message: SharedMessage): void {
    this.flush();
    if (takesFrames(this, this.#network)) this.#network!.write(sharedFrame(message));
    else super.send(message.payload, { binary: message.isBinary });
  }

  /** @internal */
  destroy(): void {
    super.terminate();
  }

  /** @internal */
  cork(): void {
    this.#held = '';
  }

  /** @internal */
  uncork(): void {
    this.flush();
    this.#held = null;
  }

  /** @internal Writes the collected frames, before anything else is written. */
  flush(): void {
    const held = this.#held;
    if (!held) return;
    this.#held = '';
    if (this.isOpen) this.#network!.write(held, 'latin1');
  }

  /** Returns false where `ws` must write it. */
  #writeText(text: string, sent: Sent | null | undefined): boolean {
    const held = this.#held;
    if (!held && !takesFrames(this, this.#network)) return false;
    const frame = textFrame(text);
    if (frame === null) return false;
    if (held !== null && !sent) {
      this.#held = held + frame;
    } else {
      this.flush();
      this.#network!.write(frame, 'latin1', (sent ?? undefined) as ((error?: Error | null) => void) | undefined);
    }
    return true;
  }

  get #heldBytes(): number {
    return this.#held === null ? 0 : this.#held.length;
  }
}
