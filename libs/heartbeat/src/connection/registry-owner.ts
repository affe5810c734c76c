import type { HeartbeatEvents } from './heartbeat.events.js';
import type { Identity } from '../base/identity.js';
import { applicationCodeOf } from '../base/application-code.js';
import { connectionId } from './connection-id.js';
import type { ConnectionOwner } from './connection-owner.js';
import type { Outgoing } from './connection.types.js';
import type { Connection } from './connection.js';
import { noteText } from './history/flight-note.js';
import type { NodeState } from '../node/node-state.js';
import type { IdentityRule, InboundPolicy, OutboundPolicy } from './ports.js';
import type { Registry } from './registry.js';

/** The rules for connections. */
export interface ConnectionRules {
  readonly identities: IdentityRule;
  readonly inbound: InboundPolicy;
  readonly outbound: OutboundPolicy;
}

/** The part of their node that connections depend on. */
export class RegistryOwner implements ConnectionOwner {
  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    private readonly registry: Registry,
    private readonly rules: ConnectionRules,
  ) {
    events.subscriberFailed = (event, error) => {
      const where = event === null ? 'a subscriber of HeartbeatEvents' : `a subscriber of the event "${event}"`;
      node.applicationFailed('subscriber', error, `${where} failed`);
    };
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
    if (userId !== null) {
      connection.note({ kind: 'identified', userId: noteText(userId) });
      this.registry.byUser.add(userId, connection);
    }
    if (userId !== previous?.userId) {
      if (userId !== null) this.registry.openings.user.add(userId, this.now());
      this.rules.identities.identified(connection);
    }
    this.events.announce({ type: 'identified', id, userId, previous: previous?.userId ?? null });
  }

  admits(connection: Connection, kind: Outgoing, bytes: number): boolean {
    return this.rules.outbound.admits(connection, kind, bytes);
  }

  beforePong(connection: Connection): void {
    this.rules.outbound.beforePong(connection);
  }

  catchUp(connection: Connection): void {
    this.rules.outbound.catchUp(connection);
  }

  silenced(connection: Connection): void {
    this.registry.unidentified.delete(connection);
    this.rules.inbound.drop(connection);
  }

  hasBegun(connection: Connection): boolean {
    return this.rules.inbound.hasBegun(connection);
  }

  disposing(pending: Promise<void>): void {
    this.node.disposals++;
    void pending.then(() => this.node.disposals--);
  }

  failed(connection: Connection, what: string, error: unknown): void {
    const text = `${what} of connection ${connection.id} failed`;
    this.node.applicationFailed(applicationCodeOf(what), error, `${what} failed`, text);
  }
}
