import { jest } from '@jest/globals';
import type { HttpAdapterHost } from '@nestjs/core';
import {
  BanList,
  ClusterService,
  ConnectionService,
  HeartbeatEvents,
  type HeartbeatOptions,
  KickService,
} from 'nestjs-heartbeat';
import { resolveOptions } from 'nestjs-heartbeat/tooling';
import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import { ClusterMembership } from '../../../libs/heartbeat/src/messaging/cluster-membership.js';
import { LocalBus, LocalStore } from '../../../libs/heartbeat/src/messaging/local-bus.js';
import { ClusterKicks } from '../../../libs/heartbeat/src/cluster/cluster-kicks.js';
import { ClusterLists } from '../../../libs/heartbeat/src/cluster/cluster-lists.js';
import { Deliveries } from '../../../libs/heartbeat/src/cluster/deliveries.js';
import { BoundConnections } from '../../../libs/heartbeat/src/kicks/bound-connections.js';
import { KickRecords } from '../../../libs/heartbeat/src/kicks/kick-records.js';
import { NodeKicks } from '../../../libs/heartbeat/src/kicks/node-kicks.js';
import type { AuditActor, AuditChange, AuditTrail } from '../../../libs/heartbeat/src/node/audit-entry.js';
import type { SharedRecords } from '../../../libs/heartbeat/src/messaging/shared-records.js';
import { NodeReport } from '../../../libs/heartbeat/src/cluster/node-report.js';
import { NodeDirectory } from '../../../libs/heartbeat/src/messaging/node-directory.js';
import { NodeMessages } from '../../../libs/heartbeat/src/messaging/node-messages.js';
import { NodeRequests } from '../../../libs/heartbeat/src/messaging/node-requests.js';
import { encode } from '../../../libs/heartbeat/src/messaging/wire.js';
import { SharedBans } from '../../../libs/heartbeat/src/cluster/shared-bans.js';
import { SharedSlots } from '../../../libs/heartbeat/src/cluster/shared-slots.js';
import { LeaderBoard } from '../../../libs/heartbeat/src/stats/leader-board.js';
import { StatsSampler } from '../../../libs/heartbeat/src/stats/stats-sampler.js';
import { StatsService } from '../../../libs/heartbeat/src/stats/stats.service.js';
import { NodeState } from '../../../libs/heartbeat/src/node/node-state.js';
import type { SharedMessage } from '../../../libs/heartbeat/src/connection/shared-message.js';
import { Registry } from '../../../libs/heartbeat/src/connection/registry.js';
import type { Connection } from '../../../libs/heartbeat/src/connection/connection.js';
import type { InboundPolicy } from '../../../libs/heartbeat/src/connection/ports.js';
import { type WiredLimits, wireLimits } from './wire-limits.js';
import { wireNode } from './wire-node.js';
import { transportOf } from './fake-transport.js';

/** A bus that can be cut off, as by a Redis that is lost. */
export class BrittleBus extends LocalBus {
  isCut = false;
  /** Statements of users are done, and yet their answers come too late. */
  answersLate = false;
  /** So many more pages of bans fail. */
  failsBans = 0;
  /** The event that statements of users wait for. */
  slowness: Promise<void> | null = null;
  /** How often each method was called. */
  readonly calls: Record<string, number> = {};

  constructor(...args: ConstructorParameters<typeof LocalBus>) {
    super(...args);
    const records = brittle(this.records, () => {
      if (this.isCut) throw new Error('cut');
    });
    Object.assign(this, { records });
    for (const method of METHODS) {
      const works = (this[method] as (...given: unknown[]) => Promise<unknown>).bind(this);
      Object.assign(this, {
        [method]: async (...given: unknown[]) => {
          this.calls[method] = (this.calls[method] ?? 0) + 1;
          if (this.isCut) this.turn(false);
          if (this.isCut) throw new Error('cut');
          if (method === 'renew') this.turn(true);
          if (method === 'bans' && this.failsBans > 0) {
            this.failsBans--;
            throw new Error('no bans');
          }
          if (method !== 'stateUsers') return works(...given);
          await this.slowness;
          const answer = await works(...given);
          if (this.answersLate) this.turn(false);
          if (this.answersLate) throw new Error('too late');
          return answer;
        },
      });
    }
  }

  override async start(nodeId: string, listener: Parameters<ClusterBus['start']>[1]): Promise<void> {
    this.turn = isUp => {
      if (this.isUp === isUp) return;
      this.isUp = isUp;
      listener.availability(isUp);
    };
    await super.start(nodeId, listener);
  }

  private turn: (isUp: boolean) => void = () => undefined;
}
/** The same records, whose methods reject where `assertUp` throws. */
function brittle(records: SharedRecords, assertUp: () => void): SharedRecords {
  return {
    put: async (...given) => (assertUp(), records.put(...given)),
    change: async (...given) => (assertUp(), records.change(...given)),
    read: async (...given) => (assertUp(), records.read(...given)),
    report: async (...given) => (assertUp(), records.report(...given)),
  };
}
const METHODS = ['publish', 'renew', 'leave', 'leases', 'hasLease', 'putBan', 'dropBan', 'bans', 'stateUsers'] as const;

/** Nodes in this process over one store, whose time is the test's to pass. */
export class ClusterWorld {
  now = 1_000_000;
  readonly store = new LocalStore();
  readonly nodes: WorldNode[] = [];

  async add(options: HeartbeatOptions = {}, { isAlone = false } = {}): Promise<WorldNode> {
    const node = new WorldNode(this, options, isAlone);
    this.nodes.push(node);
    await node.link.onApplicationBootstrap();
    return node;
  }

  /** As the second does by itself. */
  async renewAll(): Promise<void> {
    for (const node of this.nodes) await node.link.renew();
  }

  async end(): Promise<void> {
    for (const node of this.nodes) await node.stop();
  }
}

export class WorldNode {
  readonly state: NodeState;
  readonly events = new HeartbeatEvents();
  readonly connections: ConnectionService;
  readonly inbound: InboundPolicy;
  readonly bus: BrittleBus;
  readonly bans: BanList;
  readonly link: ClusterMembership;
  readonly requests: NodeRequests;
  readonly directory: NodeDirectory;
  readonly cluster: ClusterService;
  readonly kicks: KickService;
  readonly ownKicks: NodeKicks;
  /** The entries of the audit trail. */
  readonly trail: (AuditActor & AuditChange)[] = [];
  readonly slots: SharedSlots;
  readonly sampler: StatsSampler;
  readonly stats: StatsService;
  readonly limits: WiredLimits;
  readonly #shared: SharedBans;
  readonly #world: ClusterWorld;

  constructor(world: ClusterWorld, { cluster, ...options }: HeartbeatOptions, isAlone: boolean) {
    const clock = { now: () => world.now, wallTime: (moment: number) => new Date(moment) };
    const resolved = resolveOptions({
      ...options,
      cluster: { nodeName: `node${world.nodes.length + 1}`, leaseMs: 3000, requestTimeoutMs: 4000, ...cluster },
    });
    this.state = new NodeState(resolved, clock);
    this.state.bootstrapHookRan = true;
    this.bus = new BrittleBus(clock, isAlone ? null : world.store);
    const registry = new Registry(resolved);
    const { state, bus, events } = this;
    this.link = new ClusterMembership(state, bus, new NodeReport(state, registry, {} as HttpAdapterHost), events);
    const { link } = this;
    const messages = new NodeMessages(state, link);
    this.slots = new SharedSlots(state, registry, bus, link, messages, events);
    const { connections: wired, bans, inbound, outbound } = wireNode(state, events, { registry, slots: this.slots });
    [this.connections, this.bans, this.inbound] = [wired, bans, inbound];
    this.requests = new NodeRequests(state, link, messages);
    this.directory = new NodeDirectory(state, bus, link, messages);
    const { connections, requests, directory } = this;
    this.#shared = new SharedBans(state, bus, link, this.bans, messages, events);
    this.limits = wireLimits(state, events, { registry, slots: this.slots }, { bus, link, directory, requests });
    const lists = new ClusterLists(state, connections, bus, link, directory, requests);
    const kicks = new ClusterKicks(state, connections, this.bans, link, directory, requests);
    const deliveries = new Deliveries(connections, bus, messages);
    this.cluster = new ClusterService(state, connections, link, directory, lists, kicks, deliveries, requests, events);
    this.sampler = new StatsSampler(state, connections, outbound, events);
    const board = new LeaderBoard(state, registry, this.sampler, link, directory, requests);
    this.stats = new StatsService(state, this.sampler, board, link, directory, requests);
    const bound = new BoundConnections(state, connections, directory, requests);
    const records = new KickRecords(state, bus);
    const trail: AuditTrail = { recordFor: (actor, change) => void this.trail.push({ ...actor, ...change }) };
    this.ownKicks = new NodeKicks(state, connections, this.bans, bound, records, link, directory, messages, trail);
    this.kicks = new KickService(state, this.ownKicks, bound, records, link, trail);
    this.#world = world;
  }

  /** From now on the node sends this reply to a request, and answers no other. */
  repliesTo(operation: string, reply: { readonly isFailed: boolean; readonly body: unknown }): void {
    const { listeners } = this.#world.store;
    listeners.set(this.id, {
      ...listeners.get(this.id)!,
      message: text => {
        const { message } = JSON.parse(text) as { message: { from: string; id: string; operation?: string } };
        if (message.operation !== operation) return;
        void this.bus.publish(message.from, encode('reply', this.id, { id: message.id, ...reply }));
      },
    });
  }

  get id(): string {
    return this.state.id;
  }

  get errors(): Readonly<Record<string, number>> {
    return this.state.totals.clusterErrors;
  }

  /** A connection whose socket closes at once. */
  open({ userId, labels, ip = '10.0.0.1' }: ClientOfNode = {}): OpenConnection {
    const sent: unknown[] = [];
    const socket = {
      bufferedAmount: 0,
      send: (data: unknown) => sent.push(data),
      sendShared: ({ payload, isBinary }: SharedMessage) => sent.push(isBinary ? payload : String(payload)),
      close: jest.fn((code: number, reason: string) => {
        queueMicrotask(() => this.connections.closed(connection, code, reason));
      }),
    };
    const connection = this.connections.open({
      transport: transportOf(socket),
      path: '/ws',
      ip,
      userAgent: null,
      identity: userId === undefined ? null : { userId, ...(labels && { labels }) },
    });
    return { connection, id: connection.id, sent };
  }

  async stop(): Promise<void> {
    await this.ownKicks.beforeApplicationShutdown();
    this.requests.onApplicationShutdown();
    this.slots.onApplicationShutdown();
    this.limits.inForce.onApplicationShutdown();
    this.#shared.onApplicationShutdown();
    await this.link.onApplicationShutdown();
  }
}

/** The identity of a client. */
interface ClientOfNode {
  readonly userId?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ip?: string;
}

export interface OpenConnection {
  readonly connection: Connection;
  readonly id: string;
  readonly sent: readonly unknown[];
}
