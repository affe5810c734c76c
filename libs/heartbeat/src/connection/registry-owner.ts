import { CloseCodes } from '../protocol/close-code.js';
import type { HeartbeatEvents } from './heartbeat.events.js';
import type { Identity } from '../base/identity.js';
import { applicationCodeOf } from '../base/application-code.js';
import { Broadcast } from './broadcast.js';
import { connectionId } from './connection-id.js';
import type { ConnectionOwner } from './connection.types.js';
import type { Connection } from './connection.js';
import { LocalUse } from './local-use.js';
import type { NodeState } from './node-state.js';
import type { IdentityRule } from './ports.js';
import type { Registry } from './registry.js';
import { maxPieces, PIECE_BYTES } from './waiting-pieces.js';

/** What connections ask of the registry that made them. */
export class RegistryOwner implements ConnectionOwner<Connection> {
  readonly broadcast = new Broadcast();
  readonly localUse: LocalUse;

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    private readonly registry: Registry,
    private readonly identities: IdentityRule,
  ) {
    events.subscriberFailed = (event, error) => {
      const where = event === null ? 'a subscriber of HeartbeatEvents' : `a subscriber of the event "${event}"`;
      node.applicationFailed('subscriber', error, `${where} failed`);
    };
    this.localUse = new LocalUse(node);
  }

  idOf(serial: number): string {
    return connectionId(this.node.id, serial);
  }

  now(): number {
    return this.node.clock.now();
  }

  attended(): number {
    return this.node.attendedMs;
  }

  identified(connection: Connection, previous: Identity | null): void {
    if (previous !== null) this.registry.byUser.remove(previous.userId, connection);
    this.registry.unidentified.delete(connection);
    const { id, userId } = connection;
    if (userId !== null) this.registry.byUser.add(userId, connection);
    if (userId !== previous?.userId) this.identities.identified(connection);
    this.events.announce({ type: 'identified', id, userId, previous: previous?.userId ?? null });
  }

  catchUp(connection: Connection): void {
    this.broadcast.catchUp(connection);
  }

  mayQueue(connection: Connection, bytes: number): boolean {
    const { maxBufferedBytes, policy } = this.node.options.backpressure;
    const waiting = connection.socket.bufferedAmount;
    if (waiting + bytes <= maxBufferedBytes && (waiting === 0 || !connection.isFull(maxPieces(maxBufferedBytes)))) {
      this.node.totals.messagesOut++;
      const cost = waiting === 0 ? bytes : bytes + PIECE_BYTES;
      if (this.node.queuedBytes + cost > this.node.queueRoom) this.node.makeRoom();
      this.node.queuedBytes += cost;
      connection.countPiece(waiting);
      return true;
    }
    // The goodbye of a close may find no room either; that has been told.
    if (connection.closing !== null) return false;
    connection.note({ kind: 'full', bufferedBytes: waiting, messages: connection.waitingPieces, bytes });
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes: waiting, why: 'limit' });
    const { code, name } = CloseCodes.slowConsumer;
    if (policy === 'close') connection.end({ code, reason: name, by: 'server' });
    return false;
  }

  silenced(connection: Connection): void {
    this.registry.unidentified.delete(connection);
    this.node.dropInput(connection);
  }

  holdAnswers(connection: Connection): boolean {
    return this.node.answers.hold(connection);
  }

  releaseAnswers(connection: Connection): void {
    this.node.answers.release(connection);
  }

  uncountSent(): void {
    this.node.totals.messagesOut--;
  }

  failed(connection: Connection, what: string, error: unknown): void {
    const text = `${what} of connection ${connection.id} failed`;
    this.node.applicationFailed(applicationCodeOf(what), error, `${what} failed`, text);
  }
}
