import { Injectable } from '@nestjs/common';

import { callOf } from './application-call.js';
import { capacityFreed, capacityUsed } from './capacity.js';
import { beginKick, type KickStart } from './begin-kick.js';
import type { ClosedView, ConnectionDetail } from './listing/connection-view.js';
import { Handled } from '../base/handled.js';
import { HeartbeatEvents } from './heartbeat.events.js';
import { ClosedHistory } from './history/closed-history.js';
import { ClosedRecord } from './history/closed-record.js';
import { serialOf } from './connection-id.js';
import { assertText, checkedFilter, type ConnectionFilter } from './listing/connection-filter.js';
import {
  type ConnectionPage,
  type ConnectionQuery,
  DEFAULT_QUERY,
  momentOf,
  type Page,
  firstByOpening,
  pageInSlices,
  pageOf,
  predicateOf,
  type QueryMoment,
} from './listing/connection-query.js';
import type { Closing, Kick, Opening } from './connection.types.js';
import { Connection } from './connection.js';
import { NodeState } from '../node/node-state.js';
import { endOf, payloadOf } from './payload.js';
import type { Connection as PublicConnection } from './public-connection.js';
import { LocalUse } from './local-use.js';
import { IdentityRule, InboundPolicy, OutboundPolicy, type TrackedTransport } from './ports.js';
import { RegistryOwner } from './registry-owner.js';
import { Registry } from './registry.js';
import { detailOf, type ViewContext, viewOf } from './listing/view.js';

/** The registry: every connection of this node, by id, user or address. Only `open` adds and only `#forget` removes. */
@Injectable()
export class ConnectionService {
  /** @internal The sockets of each server of a transport; the reaper compares them with the registry. */
  readonly socketSets: ReadonlySet<TrackedTransport>[] = [];
  /** @internal */
  readonly history: ClosedHistory;
  readonly #owner: RegistryOwner;
  readonly #localUse: LocalUse;
  readonly #view: ViewContext;
  /** Read once, so that a step of the wall clock changes no order of a listing. */
  readonly #bootedAt: number;
  #serial = 0;

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    private readonly registry: Registry,
    private readonly identities: IdentityRule,
    inbound: InboundPolicy,
    private readonly outbound: OutboundPolicy,
  ) {
    this.#owner = new RegistryOwner(node, events, registry, { identities, inbound, outbound });
    this.#localUse = new LocalUse(node);
    this.history = new ClosedHistory(node);
    this.#view = { nodeId: node.id, clock: node.clock, stalls: node.stalls };
    this.#bootedAt = node.clock.wallTime(0).getTime();
  }

  /** Connections of this node. */
  get count(): number {
    return this.registry.size;
  }

  /** Number of connections opened on this node since its start. @internal */
  get openedCount(): number {
    return this.#serial;
  }

  /** Creates a connection for a socket with a completed upgrade. For the gateway only. @internal */
  open(opening: Opening): Connection {
    const connection = new Connection(this.#owner, ++this.#serial, opening);
    this.registry.add(connection);
    if (opening.deferred) this.registry.unidentified.add(connection);
    if (opening.identity !== null) this.identities.opened(connection);
    capacityUsed(this.node, this.count);
    const { path, ip } = opening;
    if (this.events.isWanted('opened')) this.events.announce({ type: 'opened', id: connection.id, path, ip });
    return connection;
  }

  /** Handles the close of a socket: `code` and `reason` as `ws` reports them. For the gateway only. @internal */
  closed(connection: Connection, code: number, reason: string): void {
    this.#forget(connection, connection.closing ?? endOf(code, reason));
  }

  /** Whether the registry contains this connection. @internal */
  has(connection: Connection): boolean {
    return this.registry.has(connection);
  }

  /** @internal */ get(id: string): Connection | undefined;
  get(id: string): PublicConnection | undefined;
  get(id: string): Connection | undefined {
    return this.registry.get(serialOf(this.node.id, id));
  }

  /** All connections in the order in which they were opened; live, so copy it before an `await`. @internal */
  all(): IterableIterator<Connection> {
    return this.registry.all();
  }

  /** @internal */ find(filter: ConnectionFilter): Connection[];
  /**
   * All connections that match, oldest first (an empty filter: all). A user or an address is found by index, the rest by one pass.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a condition that is unknown or has no value, here and in the three below.
   */
  find(filter: ConnectionFilter): PublicConnection[];
  find(filter: ConnectionFilter): Connection[] {
    return this.#found(filter);
  }

  /** @internal */ findByUser(userId: string): Connection[];
  findByUser(userId: string): PublicConnection[];
  findByUser(userId: string): Connection[] {
    assertText('userId', userId);
    return this.registry.byUser.get(userId);
  }

  /** @internal */ findByIp(ip: string): Connection[];
  findByIp(ip: string): PublicConnection[];
  findByIp(ip: string): Connection[] {
    assertText('ip', ip);
    return this.registry.at(ip);
  }

  /** @internal */ findByLabel(key: string, value: string): Connection[];
  findByLabel(key: string, value: string): PublicConnection[];
  findByLabel(key: string, value: string): Connection[] {
    assertText('key', key);
    return this.find({ labels: { [key]: value } });
  }

  /** Connections that must still be identified; live. @internal */
  unidentified(): ReadonlySet<Connection> {
    return this.registry.unidentified;
  }

  /**
   * One sorted page. Default: the first 50 by `openedAt`, oldest first. Holds the event loop, for about 5 ms with 15,000 connections.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a `limit` that is not a whole number from 1, or an invalid condition.
   */
  list(query: Partial<ConnectionQuery> = {}): ConnectionPage {
    return this.#shown(pageOf(this.registry.all(), { ...DEFAULT_QUERY, ...query }, this.#moment()));
  }

  /** The same in slices, with pending I/O between them. Sorts rows by their values in the pass, and shows later ones. @internal */
  @Handled()
  async listInSlices(query: Partial<ConnectionQuery> = {}): Promise<ConnectionPage> {
    const whole = { ...DEFAULT_QUERY, ...query };
    const first = firstByOpening(this.registry.all(), whole, this.#moment());
    return this.#shown(first ?? (await pageInSlices(this.registry.all(), whole, this.#moment())));
  }

  /** @internal */
  detail(id: string): ConnectionDetail | undefined {
    const connection = this.get(id);
    return connection && detailOf(connection, this.#view);
  }

  /**
   * The last closed connections, newest first: at most `limit` (default: all); with an id `after`, only those after it, and none after an
   * unknown one. Each takes some microseconds at each call, so pass a `limit` where `closedHistory` is large.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a `limit` that is not a whole number from 1.
   */
  closedHistory({ limit = Infinity, after = null }: { limit?: number; after?: string | null } = {}): ClosedView[] {
    return this.history.list(limit, after);
  }

  /** Sends to a connection of this node. Returns false if there is none with this id here. Rejects as `Connection.send` does. */
  @Handled()
  async send(id: string, data: unknown): Promise<boolean> {
    const connection = this.get(id) ?? this.#localUse.missed('send', id);
    await connection?.send(data);
    return connection !== undefined;
  }

  /**
   * Sends to all connections of this node that match (all nodes: `ClusterService.broadcast`), serialised once, in slices, before any later
   * message to them. Returns their number. A failed send affects its own connection only.
   * @param filter Default: all connections of gateways and of Socket.IO. Those of other tracked servers, which have a protocol of their
   * own, are reached only with the condition `transport`. `source` is for the library: a message from the cluster is not local use.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a condition that is unknown or has no value.
   */
  broadcast(data: unknown, filter: ConnectionFilter = {}, source: 'cluster' | null = null): number {
    if (source === null) this.#localUse.broadcast();
    const payload = payloadOf(data);
    const found = this.#found(filter, { openOnly: true });
    const receivers = filter.transport === undefined ? found.filter(({ channel }) => channel.kind.inBroadcasts) : found;
    this.outbound.broadcast(payload, receivers);
    return receivers.length;
  }

  /** Begins to close a connection of this node with 4500, or 4005 where it may reconnect. False if none is here or it is closing. */
  kick(id: string, kick: Kick = {}): boolean {
    const outcome = this.beginKick(id, kick);
    if (outcome === 'not-found') this.#localUse.missed('kick', id);
    this.events.calls.next(callOf('kick', id, outcome === 'closing' ? 'done' : outcome, kick));
    return outcome === 'closing';
  }

  /** A kick by the admin API, or by another node. @internal */
  beginKick(id: string, kick: Kick): KickStart {
    return beginKick(this.get(id), kick, { node: this.node, events: this.events });
  }

  /** Logs an error of application code that belongs to this connection. The connection is not affected. @internal */
  failed(connection: Connection, what: string, error: unknown): void {
    this.#owner.failed(connection, what, error);
  }

  /** The only place that removes a connection from the registry. */
  #forget(connection: Connection, closing: Closing): void {
    if (!this.registry.remove(connection)) return;
    capacityFreed(this.node, this.count);
    connection.finish(closing);
    const record = new ClosedRecord(connection, closing, this.node.clock);
    this.history.add(record);
    this.node.totals.closed.add(record);
    if (this.events.isWanted('closed')) this.events.announce(this.history.eventOf(record));
  }

  #found(filter: ConnectionFilter, options?: { readonly openOnly: boolean }): Connection[] {
    const { user, ...rest } = checkedFilter(filter);
    return this.registry.find({ user, ip: rest.ip }, predicateOf(rest, this.#moment()), options);
  }

  #shown({ connections, ...page }: Page): ConnectionPage {
    return { ...page, items: connections.map(connection => viewOf(connection, this.#view)) };
  }

  #moment(): QueryMoment {
    return momentOf(this.node, this.#bootedAt);
  }
}
