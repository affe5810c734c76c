import { jest } from '@jest/globals';
import type { Socket } from 'node:net';
import type { HttpAdapterHost } from '@nestjs/core';
import {
  BanList,
  ClusterService,
  type Connection,
  ConnectionService,
  HeartbeatEvents,
  type HeartbeatOptions,
  resolveOptions,
} from 'nestjs-heartbeat';
import type { WebSocket } from 'ws';
import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import { ClusterMembership } from '../../../libs/heartbeat/src/messaging/cluster-membership.js';
import { LocalBus, LocalStore } from '../../../libs/heartbeat/src/messaging/local-bus.js';
import { OwnAnswers } from '../../../libs/heartbeat/src/cluster/own-answers.js';
import { NodeRequests } from '../../../libs/heartbeat/src/messaging/node-requests.js';
import { SharedBans } from '../../../libs/heartbeat/src/cluster/shared-bans.js';
import { SharedSlots } from '../../../libs/heartbeat/src/cluster/shared-slots.js';
import { NodeState } from '../../../libs/heartbeat/src/connection/node-state.js';
import type { SharedMessage } from '../../../libs/heartbeat/src/connection/shared-message.js';
import { Registry } from '../../../libs/heartbeat/src/connection/registry.js';
import { wireNode } from './wire-node.js';

/** A bus that can be cut off, as by a Redis that is lost. */
export class BrittleBus extends LocalBus {
  isCut = false;
  /** Statements of users are done, and yet their answers come too late. */
  answersLate = false;
  /** So many more pages of bans fail. */
  failsBans = 0;
  /** What statements of users wait for. */
  slowness: Promise<void> | null = null;
  /** How often each method was called. */
  readonly calls: Record<string, number> = {};

  constructor(...args: ConstructorParameters<typeof LocalBus>) {
    super(...args);
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
  readonly bus: BrittleBus;
  readonly bans: BanList;
  readonly link: ClusterMembership;
  readonly requests: NodeRequests;
  readonly cluster: ClusterService;
  readonly slots: SharedSlots;
  readonly #shared: SharedBans;

  constructor(world: ClusterWorld, { cluster, ...options }: HeartbeatOptions, isAlone: boolean) {
    const clock = { now: () => world.now, wallTime: (moment: number) => new Date(moment) };
    const nodeName = `node${world.nodes.length + 1}`;
    const resolved = resolveOptions({
      ...options,
      cluster: { nodeName, leaseMs: 3000, requestTimeoutMs: 4000, ...cluster },
    });
    this.state = new NodeState(resolved, clock);
    this.state.bootstrapHookRan = true;
    this.bus = new BrittleBus(clock, isAlone ? null : world.store);
    const host = {} as HttpAdapterHost;
    const registry = new Registry(resolved);
    this.link = new ClusterMembership(this.state, registry, this.bus, host, this.events);
    this.slots = new SharedSlots(this.state, registry, this.bus, this.link, this.events);
    ({ connections: this.connections, bans: this.bans } = wireNode(this.state, this.events, {
      registry,
      slots: this.slots,
    }));
    this.requests = new NodeRequests(this.state, this.link);
    const own = new OwnAnswers(this.state, this.connections, this.requests, this.link);
    this.#shared = new SharedBans(this.state, this.bus, this.link, this.bans, this.events);
    this.cluster = new ClusterService(this.state, this.connections, this.bus, this.link, this.requests, own);
  }

  get id(): string {
    return this.state.id;
  }

  get errors(): Readonly<Record<string, number>> {
    return this.state.totals.clusterErrors;
  }

  /** A connection whose socket closes as soon as it is told to. */
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
      socket: socket as unknown as WebSocket,
      network: { bytesRead: 0, bytesWritten: 0, writableLength: 0, isPaused: () => false } as unknown as Socket,
      path: '/ws',
      ip,
      userAgent: null,
      identity: userId === undefined ? null : { userId, ...(labels && { labels }) },
    });
    return { connection, id: connection.id, sent };
  }

  async stop(): Promise<void> {
    this.requests.onApplicationShutdown();
    this.slots.onApplicationShutdown();
    this.#shared.onApplicationShutdown();
    await this.link.onApplicationShutdown();
  }
}

/** Who a client is. */
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
