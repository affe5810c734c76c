import { failLater } from '../../connection/dropped.js';
import type { Sent } from '../../connection/transport.js';
import { notOpen } from '../ws/ws-message.js';
import type { EngineSession } from './engine-fields.js';

const CLOSED = 3;

/** Callbacks of messages that have not left this process. engine.io drops its own when a session ends. */
export class SentCallbacks {
  readonly #pending = new Set<Sent>();

  /** Calls `sent` when the packets that were written last have left this process, or with an error at the end of the session. */
  add({ packetsFn, sentCallbackFn, writeBuffer }: EngineSession, sent: Sent): void {
    this.#pending.add(sent);
    const done = () => {
      if (this.#pending.delete(sent)) sent();
    };
    if (writeBuffer.length > 0) packetsFn.push(done);
    else if (sentCallbackFn.length > 0) (sentCallbackFn[sentCallbackFn.length - 1] ??= []).push(done);
    else process.nextTick(done);
  }

  /** The session has ended. */
  fail(): void {
    for (const sent of this.#pending) failLater(sent, () => notOpen(CLOSED));
    this.#pending.clear();
  }
}
