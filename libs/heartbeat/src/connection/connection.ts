import { addAbortSignal, type Readable } from 'node:stream';

import type { Subscription } from 'rxjs';

import { assertSendable } from '../base/sendable-close-code.js';
import { closeReason } from '../protocol/close-code.js';
import { Handled } from '../base/handled.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { frozenIdentity, type Identity, identityProblem } from '../base/identity.js';
import { ConnectionRecord } from './connection-record.js';
import type { Closing } from './connection.types.js';
import { guarded, Lifetime } from './lifetime.js';
import { closedError, goodbye, payloadOf } from './payload.js';
import { isSilenced, silence } from './silence.js';

/** Whether an answer is being sent: answers that are held wait for it, other messages send them first. */
let isAnswering = false;

/** One WebSocket, from the answered upgrade to its end. Made by `ConnectionService.open` only. */
export class Connection extends ConnectionRecord<Connection> {
  #lifetime: Lifetime | null = null;

  /**
   * Aborts when the connection has ended; `signal.reason` tells how. For Node's own APIs, and for looking at: of what a listener of
   * your own throws Node makes an uncaught exception, which ends the process. `defer` is guarded.
   */
  get signal(): AbortSignal {
    if (this.isOver) return AbortSignal.abort(this.#endReason());
    return (this.#lifetime ??= new Lifetime()).signal;
  }

  /** Sends what is under way to all and has not come to this one yet. */
  catchUp(): void {
    this.owner.catchUp(this);
  }

  /** Sends answers that are held: whatever is sent after them counts as waiting only where the kernel does not take it. */
  sendHeld(): void {
    if (this.network.writableCorked > 0) this.owner.releaseAnswers(this);
  }

  /** Counts a message on its way out; false if so much is waiting already that it must not be added. */
  queue(bytes: number): boolean {
    this.catchUp();
    if (!isAnswering) this.sendHeld();
    if (!this.owner.mayQueue(this, bytes)) return false;
    this.messagesOut++;
    this.pulse.active(this.owner.attended());
    return true;
  }

  /**
   * Runs `disposer` once when the connection ends, the last deferred one first; at once if it has ended already.
   * What it throws or rejects with is logged and ends nothing else.
   */
  defer(disposer: () => unknown): void {
    if (this.isOver) return guarded(disposer, 'a disposer', this.#failed);
    (this.#lifetime ??= new Lifetime()).defer(disposer);
  }

  /** How many disposers wait for the end. */
  get disposers(): number {
    return this.#lifetime?.disposers ?? 0;
  }

  /** How many streams of answers have not ended. */
  get streams(): number {
    return this.#lifetime?.streams ?? 0;
  }

  /** Lets a stream of answers end with the connection; a stream that completes is let go at once. */
  hold(stream: Subscription): void {
    if (this.isOver) return stream.unsubscribe();
    (this.#lifetime ??= new Lifetime()).hold(stream);
  }

  /**
   * Says who this is, for connections whose client proves it after the opening; may be said again. Without effect once the server
   * has begun to close the connection.
   * @throws HeartbeatError `HEARTBEAT_BAD_IDENTITY` without a `userId`, or with an end that is no time.
   */
  identify(identity: Identity): void {
    const problem = identityProblem(identity);
    if (problem !== null)
      throw new HeartbeatError('HEARTBEAT_BAD_IDENTITY', `connection ${this.id} was not identified: ${problem}`);
    if (isSilenced(this) && !this.isOver) return;
    const previous = this.who;
    this.who = frozenIdentity(identity);
    if (!this.isOver) this.owner.identified(this, previous);
  }

  /**
   * Sends text or bytes as they are, anything else as JSON. Resolves when the bytes have left this process's buffers.
   * @throws HeartbeatError `HEARTBEAT_CONNECTION_CLOSED` (as a rejection) if the connection ends first.
   */
  @Handled()
  send(data: unknown): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.socket.send(payloadOf(data), (error?: Error | null) =>
        error ? reject(error instanceof HeartbeatError ? error : this.#endReason()) : resolve(),
      );
    });
  }

  /** Sends the answer of a handler; those of messages that came in one read go out in one write. */
  answer(text: string): void {
    const { network } = this;
    if (!this.owner.holdAnswers(this) && this.inFlight > 1 && network.writableCorked === 0) {
      network.cork();
      // After the promises of the handlers that are as far.
      process.nextTick(() => network.uncork());
    }
    isAnswering = true;
    try {
      this.socket.send(text);
    } finally {
      isAnswering = false;
    }
  }

  /**
   * Begins the closing handshake; a peer that does not answer is destroyed after `drain.closeTimeoutMs`.
   * @param code 1000 by default; one that an endpoint may send (RFC 6455, section 7.4).
   * @param reason Cut to the 123 bytes that fit into a close frame.
   * @throws HeartbeatError `HEARTBEAT_BAD_CLOSE` for a code that cannot be sent.
   */
  close(code = 1000, reason = ''): void {
    assertSendable(code);
    this.end({ code, reason, by: 'server' });
  }

  /** The one way out: says goodbye where the client understands it, then closes. False if a close had begun already. */
  end(closing: Closing, retryAfterMs?: number): boolean {
    const isFirst = this.ending === null && !this.isOver;
    this.closeBegun(closing);
    if (!isFirst) return false;
    const { code, reason } = closing;
    if (this.appHeartbeat) this.sendHeartbeatEvent(goodbye(code, reason, retryAfterMs));
    this.socket.close(code, closeReason(reason, retryAfterMs));
    return true;
  }

  /** Ends without a handshake, for a peer that would not answer; what is recorded is `closing`. */
  destroy(closing: Closing): void {
    this.closeBegun(closing);
    this.socket.terminate();
  }

  /**
   * Records how the close began; the first record stays. From a close that the server begins no further message is handled, also
   * where the close of the client came first and some of its messages still wait.
   */
  closeBegun(closing: Closing): void {
    if (this.ending === null && !this.isOver) {
      this.ending = closing;
      this.pulse.unlink();
    } else if (closing.by !== 'client') silence(this);
    if (isSilenced(this)) this.owner.silenced(this);
  }

  /**
   * Sends what a stream gives, one message for each piece, never faster than the peer takes it. Ends with the connection; the
   * stream is destroyed then. Rejects if the source fails or the connection ends first; that need not be awaited.
   */
  @Handled()
  async stream(source: Readable): Promise<void> {
    // What fails while the source is destroyed comes after the last piece, when nothing else listens.
    source.on('error', () => undefined);
    for await (const piece of addAbortSignal(this.signal, source)) await this.send(piece);
  }

  /** Sends an event of the application heartbeat, which is no message of the app: it keeps nobody from being idle. */
  sendHeartbeatEvent(event: string): void {
    this.catchUp();
    const { messagesOut } = this;
    const { activeAt } = this.pulse;
    this.socket.send(event);
    if (this.messagesOut === messagesOut) return;
    this.messagesOut = messagesOut;
    this.pulse.active(activeAt);
    this.owner.uncountSent();
  }

  /** The connection is over: called once, by the registry. Runs the disposers, ends the streams and fires the signal. */
  finish(closing: Closing): void {
    this.ending ??= closing;
    this.isOver = true;
    this.pulse.unlink();
    this.#lifetime?.end(this.#endReason(), this.#failed);
    this.#lifetime = null;
  }

  #endReason(): HeartbeatError {
    return closedError(this);
  }

  /** Made when it is needed, so that no connection carries a closure. */
  get #failed(): (what: string, error: unknown) => void {
    return (what, error) => this.owner.failed(this, what, error);
  }
}
