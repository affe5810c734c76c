import type { Readable } from 'node:stream';

import type { Subscription } from 'rxjs';

import { assertSendable } from '../base/sendable-close-code.js';
import { Handled } from '../base/handled.js';
import { NO_PARAMS, type PathParams } from '../base/path-params.js';
import { assertIdentity, frozenIdentity, type Identity, NO_LABELS } from '../base/identity.js';
import { assertBusy, type BusyLease, type BusyLimits, finishedLease } from './busy-lease.js';
import type { ConnectionOwner } from './connection-owner.js';
import type { Closing, Opening, Outgoing } from './connection.types.js';
import type { CauseNote, FlightNote } from './history/flight-note.js';
import { type FlightRecord, withNote } from './history/flight-record.js';
import { dispose, type DisposerResults, Lifetime } from './lifetime.js';
import type { ConnectionState } from './listing/connection-view.js';
import { closedError } from './payload.js';
import { NEVER, phaseOf, Pulse } from './pulse.js';
import { Connection as PublicConnection } from './public-connection.js';
import { announceClose, deliver, deliverAll } from './sending.js';
import { isSilenced, silence } from './silence.js';
import type { Transport, TransportName } from './transport.js';

/** The class behind the public one, with the parts that the rules of a node need. Only `ConnectionService.open` creates it. */
export class Connection extends PublicConnection {
  readonly channel: Transport;
  readonly ip: string;
  readonly userAgent: string | null;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  readonly pulse: Readonly<Pulse<Connection>>;

  messagesIn = 0;
  messagesOut = 0;
  /** Monotonic milliseconds; `NEVER` before the first message. */
  lastMessageAt = NEVER;
  /** Whether the client has used the application heartbeat, and so receives the server's events of it. */
  appHeartbeat = false;
  /** Message handlers that have not ended yet. */
  inFlight = 0;
  /** The record of `flow/` for it, whose type only `flow/` knows; null while its traffic needs none. */
  flow: object | null = null;
  /** Whether buffered bytes may be emitted together with those of other connections: at the opening, and after a pause. */
  mayBurst = true;
  /** The number of the last broadcast that was sent to it, or that it was no receiver of. */
  lastShared = 0;
  /** One field for both, since most connections have no parameters. */
  readonly #place: string | { readonly path: string; readonly params: PathParams };
  readonly #bytesReadBefore: number;
  readonly #bytesTakenBefore: number;
  #identity: Identity | null;
  #closing: Closing | null = null;
  #isOver = false;
  #flight: FlightRecord | null = null;
  #lifetime: Lifetime | null = null;

  constructor(
    private readonly owner: ConnectionOwner,
    readonly serial: number,
    { transport: channel, path, params = NO_PARAMS, ip, userAgent, identity }: Opening,
  ) {
    super();
    this.channel = channel;
    this.#place = params === NO_PARAMS ? path : { path, params };
    this.ip = ip;
    this.userAgent = userAgent;
    this.#identity = identity && frozenIdentity(identity);
    this.openedAt = Math.trunc(owner.now());
    this.#bytesReadBefore = channel.bytesRead;
    this.#bytesTakenBefore = channel.bytesTaken;
    this.pulse = new Pulse<Connection>(this, phaseOf(serial), owner.attended(), this.#bytesReadBefore);
    this.pulse.seen(this.openedAt);
  }

  get id(): string {
    return this.owner.idOf(this.serial);
  }
  get path(): string {
    return typeof this.#place === 'string' ? this.#place : this.#place.path;
  }
  get params(): PathParams {
    return typeof this.#place === 'string' ? NO_PARAMS : this.#place.params;
  }
  get transport(): TransportName {
    return this.channel.kind.name;
  }
  get identity(): Identity | null {
    return this.#identity;
  }
  get userId(): string | null {
    return this.#identity?.userId ?? null;
  }
  get labels(): Readonly<Record<string, string>> {
    return this.#identity?.labels ?? NO_LABELS;
  }
  get rttMs(): number | null {
    return this.pulse.rttMs;
  }
  get state(): ConnectionState {
    if (this.#closing !== null || this.#isOver) return 'closing';
    return this.pulse.pingedAt === NEVER ? 'open' : 'probing';
  }
  /** The close that has begun or ended this connection; null while it is open. */
  get closing(): Closing | null {
    return this.#closing;
  }
  get ended(): boolean {
    return this.#isOver;
  }
  get bytesIn(): number {
    return this.channel.bytesRead - this.#bytesReadBefore;
  }
  /** Bytes that the network has taken. Waiting bytes are in `channel.bytesWaiting`. */
  get bytesOut(): number {
    return this.channel.bytesTaken - this.#bytesTakenBefore;
  }
  get flight(): FlightRecord | null {
    return this.#flight;
  }
  /** What the application holds of it; null without anything. */
  get lifetime(): Lifetime | null {
    return this.#lifetime;
  }
  /** The same, created where there is none. Not for an ended connection. */
  get living(): Lifetime {
    return (this.#lifetime ??= new Lifetime());
  }
  /** Whether a drain waits for it: a message that has begun has a handler left, or a lease is in force. */
  get hasWork(): boolean {
    return this.owner.hasBegun(this) || (this.#lifetime?.leases?.count(this.owner.now()) ?? 0) > 0;
  }
  get signal(): AbortSignal {
    return this.#isOver ? AbortSignal.abort(closedError(this)) : this.living.signal;
  }
  get draining(): AbortSignal {
    return this.#isOver ? AbortSignal.abort(closedError(this)) : this.living.draining;
  }

  busy(what: string, limits: BusyLimits = {}): BusyLease {
    assertBusy(what, limits);
    return this.#isOver ? finishedLease(what) : this.living.leasesToTake().take(what, limits, this.owner.now());
  }

  defer(disposer: () => unknown): void {
    return this.#isOver ? dispose(disposer, this.#results) : this.living.defer(disposer);
  }

  /** Ends a stream of answers with the connection. A stream that completes is released at once. */
  hold(stream: Subscription): void {
    return this.#isOver ? stream.unsubscribe() : this.living.hold(stream);
  }

  identify(identity: Identity): void {
    assertIdentity(this.id, identity);
    if (isSilenced(this) && !this.#isOver) return;
    const previous = this.#identity;
    this.#identity = frozenIdentity(identity);
    if (!this.#isOver) this.owner.identified(this, previous);
  }

  @Handled()
  send(data: unknown): Promise<void> {
    return deliver(this, data);
  }

  @Handled()
  stream(source: Readable): Promise<void> {
    return deliverAll(this, source, this.signal);
  }

  /** Whether a message may be written now. If so, earlier messages have been written, and it is counted. */
  admits(kind: Outgoing, bytes: number): boolean {
    if (!this.owner.admits(this, kind, bytes)) return false;
    if (kind === 'event') return true;
    this.messagesOut++;
    this.pulse.active(this.owner.attended());
    return true;
  }

  beforePong(): void {
    this.owner.beforePong(this);
  }

  catchUp(): void {
    this.owner.catchUp(this);
  }

  close(code = 1000, reason = ''): void {
    assertSendable(code);
    this.end({ code, reason, by: 'server' }, { kind: 'application', call: 'close' });
  }

  /** The only way to close: announces the close to a client that supports it, then closes. Returns false if a close had already begun. */
  end(closing: Closing, cause: CauseNote, retryAfterMs?: number): boolean {
    const isFirst = this.#closing === null && !this.#isOver;
    this.closeBegun(closing, cause);
    if (isFirst) announceClose(this, closing, retryAfterMs);
    return isFirst;
  }

  /** Ends without a handshake, for a peer that would not answer. `closing` is recorded. */
  destroy(closing: Closing, cause: CauseNote): void {
    this.closeBegun(closing, cause);
    this.channel.destroy();
  }

  /**
   * Records the beginning of the close; the first record stays. After a close by the server no further message is handled, also where the
   * client closed first and some of its messages still wait.
   */
  closeBegun(closing: Closing, cause?: CauseNote): void {
    if (this.#closing === null && !this.#isOver) {
      this.#closing = closing;
      if (cause !== undefined) this.note(cause);
      this.pulse.unlink();
    } else if (closing.by !== 'client') silence(this);
    if (isSilenced(this)) this.owner.silenced(this);
  }

  /** Ends the connection; called once, by the registry. Runs the disposers, ends the streams and fires the signal. */
  finish(closing: Closing): void {
    this.#closing ??= closing;
    this.#isOver = true;
    this.pulse.unlink();
    this.#lifetime?.end(closedError(this), this.#results);
    this.#lifetime = null;
  }

  /** Counts a received message of the application. */
  countReceived(now: number): void {
    this.messagesIn++;
    this.lastMessageAt = Math.trunc(now);
    this.pulse.active(this.owner.attended());
    this.pulse.messageCame(this.owner.attended(), now);
  }

  note(note: FlightNote): void {
    this.#flight = withNote(this.#flight, Math.trunc(this.owner.now()), note);
  }

  /** No connection holds a closure. */
  get #results(): DisposerResults {
    const { owner } = this;
    return { failed: (what, error) => owner.failed(this, what, error), pending: promise => owner.disposing(promise) };
  }
}
