import { Logger } from '@nestjs/common';

import { CloseCodes } from '../close-code.js';
import { describeError } from '../describe-error.js';
import type { HeartbeatEvents } from '../heartbeat.events.js';
import type { Identity } from '../identity.js';
import type { ConnectionOwner } from './connection-words.js';
import type { Connection } from './connection.js';
import type { NodeState } from './node-state.js';
import type { Registry } from './registry.js';

/** The width of a connection's serial in its id, so that ids of a node sort in the order of their openings. */
const SERIAL_WIDTH = 8;

/** What connections ask of the registry that made them. */
export class RegistryOwner implements ConnectionOwner<Connection> {
  readonly #logger = new Logger('Heartbeat');

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    private readonly registry: Registry,
  ) {}

  idOf(serial: number): string {
    return `${this.node.id}.${serial.toString(36).padStart(SERIAL_WIDTH, '0')}`;
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
    if (connection.userId === null) return;
    const { maxPerUser, onUserLimit } = this.node.options.limits;
    const isNewcomer = previous?.userId !== connection.userId && maxPerUser > 0;
    if (isNewcomer && onUserLimit === 'refuse' && this.registry.byUser.count(connection.userId) >= maxPerUser) {
      connection.end({ code: CloseCodes.rate.code, reason: 'user-limit', by: 'server' });
    }
    if (isNewcomer && onUserLimit === 'replace-oldest') this.registry.makeRoomFor(connection.userId, maxPerUser - 1);
    this.registry.byUser.add(connection.userId, connection);
  }

  mayQueue(connection: Connection, bytes: number): boolean {
    const { maxBufferedBytes, policy } = this.node.options.backpressure;
    const waiting = connection.socket.bufferedAmount;
    if (waiting + bytes <= maxBufferedBytes) {
      this.node.totals.messagesOut++;
      this.node.queuedBytes += bytes;
      return true;
    }
    connection.note(`${waiting} bytes wait for it, and ${bytes} more were to be sent`);
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes: waiting, why: 'limit' });
    const { code, name } = CloseCodes.slowConsumer;
    if (policy === 'close') connection.end({ code, reason: name, by: 'server' });
    return false;
  }

  failed(connection: Connection, what: string, error: unknown): void {
    this.#logger.error(`${what} of connection ${connection.id} failed: ${describeError(error)}`);
  }
}
