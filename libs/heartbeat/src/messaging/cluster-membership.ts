import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Subject, type Subscription } from 'rxjs';

import { Registry } from '../connection/registry.js';
import { NodeState } from '../connection/node-state.js';
import type { ClusterOperation } from '../node/totals.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { LEASE_RENEWAL_MS } from '../options/option-pairs.js';
import { VERSION } from '../base/version.js';
import type { ClusterNode } from './cluster-node.js';
import type { ClusterBus, Renewal } from './cluster-bus.js';
import { Inbox } from './inbox.js';
import { RedisClock } from './redis-clock.js';
import { type ClusterMessage, decode, encode, type Summary } from './wire.js';

/** How long the end of the app waits for Redis. */
const LEAVE_MS = 500;
/** How often, and how far apart, a message is sent that must arrive after a stall. */
const DELIVERY_ATTEMPTS = 40;
const DELIVERY_PAUSE_MS = 250;

/**
 * This node's place in the cluster: it renews the lease, tells what came of it, and passes on what other nodes say. In a cluster of
 * one it does nothing.
 */
@Injectable()
export class ClusterMembership implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  readonly #messages = new Subject<ClusterMessage>();
  readonly #renewals = new Subject<Renewal>();
  #wasLost = false;
  readonly #subscription: Subscription;
  #timer: NodeJS.Timeout | null = null;
  #isRenewing = false;
  #isOver = false;
  #lastError: unknown = null;
  readonly #storeClock: RedisClock;
  readonly #inbox = new Inbox(
    text => this.#heard(text),
    () => this.failed('message'),
  );

  /** What other nodes say to this one, or to all; not what this one says to all. */
  readonly messages = this.#messages.asObservable();
  readonly renewals = this.#renewals.asObservable();

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly adapterHost: HttpAdapterHost,
    events: HeartbeatEvents,
  ) {
    this.#storeClock = new RedisClock(node.clock.wallTime(0).getTime());
    node.clusterLost = bus.isShared;
    // Other nodes learn at once that this node drains, and that it serves again.
    this.#subscription = events.ofType('drain-started', 'drain-aborted').subscribe(() => void this.renew());
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.bus.isShared) return;
    await this.bus.start(this.node.id, {
      message: text => this.#inbox.add(text),
      availability: isUp => this.#turned(isUp),
      failed: error => this.failed('connection', error),
    });
    this.#timer = setInterval(() => void this.renew(), LEASE_RENEWAL_MS);
    this.#timer.unref();
    await this.renew();
    if (this.node.clusterLost) this.#logger.warn(`Redis does not answer yet, this node works alone: ${this.#why}`);
  }

  /** The last of all, since the drain still needed it; bounded, whatever Redis does. */
  async onApplicationShutdown(): Promise<void> {
    this.#isOver = true;
    this.#subscription.unsubscribe();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#inbox.close();
    this.#messages.complete();
    this.#renewals.complete();
    if (!this.bus.isShared) return;
    let late: NodeJS.Timeout | undefined;
    const patience = new Promise(resolve => (late = setTimeout(resolve, LEAVE_MS)));
    await Promise.race([this.#leave().catch(() => undefined), patience]);
    clearTimeout(late);
    await this.bus.stop();
  }

  /** Gives the lease back, and says so: without that it would look like a node that an emptied Redis does not know. */
  async #leave(): Promise<void> {
    await this.bus.leave();
    await this.bus.publish(null, encode({ kind: 'left', from: this.node.id }));
  }

  /** Says something to one node, or to all others, at most once; what fails is counted. */
  send(to: string | null, message: ClusterMessage): void {
    this.sendText(to, encode(message));
  }

  /** The same for what was encoded already. */
  sendText(to: string | null, text: string): void {
    this.bus.publish(to, text).catch((error: unknown) => this.failed('publish', error));
  }

  /** The same, again until Redis has taken it: after a stall of this node Redis counts as lost for a moment. Given up in the end. */
  async deliver(to: string, text: string): Promise<void> {
    for (let attempt = 0; attempt < DELIVERY_ATTEMPTS && !this.#isOver; attempt++) {
      try {
        return await this.bus.publish(to, text);
      } catch (error) {
        this.failed('publish', error);
        await sleep(DELIVERY_PAUSE_MS, undefined, { ref: false });
      }
    }
  }

  /** Counts a failure. It is not logged: one that lasts would fill the log, and that Redis is lost is told once. */
  failed(operation: ClusterOperation, error?: unknown): void {
    if (error !== undefined) this.#lastError = error;
    this.node.totals.clusterErrors[operation]++;
  }

  /** One of our moments by the store's clock, on which all nodes agree. */
  storeTime(moment: number): number {
    return this.#storeClock.timeOf(moment);
  }

  /** This node, as it is now. */
  report(): ClusterNode {
    return { id: this.node.id, ...this.#summary(), ageMs: 0 };
  }

  #summary(): Summary {
    const { name, draining, bootstrapped, load, intervalMs } = this.node;
    return {
      name,
      address: addressOf(this.adapterHost.httpAdapter?.getHttpServer()),
      version: VERSION,
      state: draining ? 'draining' : bootstrapped ? 'up' : 'starting',
      connections: this.registry.size,
      load: Math.round(load.ratio * 1000) / 1000,
      intervalMs,
    };
  }

  /** Renews the lease, once at a time; done each second by itself. */
  async renew(): Promise<void> {
    if (this.#isRenewing || this.#isOver || !this.bus.isShared) return;
    this.#isRenewing = true;
    try {
      const askedAt = this.node.clock.now();
      const summary: Summary = { ...this.#summary(), givesKeys: true };
      const renewal = await this.bus.renew(this.node.options.cluster.leaseMs, JSON.stringify(summary));
      this.#storeClock.note(askedAt, this.node.clock.now(), renewal.now);
      this.node.clusterNodes = renewal.nodes;
      // What Redis has of us after it was away may be old.
      this.#renewals.next({ ...renewal, isNew: renewal.isNew || this.#wasLost });
      this.#wasLost = false;
    } catch (error) {
      this.failed('lease', error);
    } finally {
      this.#isRenewing = false;
    }
  }

  #turned(isUp: boolean): void {
    if (this.node.clusterLost === !isUp) return;
    this.node.clusterLost = !isUp;
    if (!isUp) {
      this.node.clusterNodes = 1;
      this.#wasLost = true;
    }
    if (isUp) this.#logger.log('Redis answers: this node is one of the cluster');
    else this.#logger.warn(`Redis is lost, this node works alone until it answers again: ${this.#why}`);
  }

  #heard(text: string): void {
    if (this.#isOver) return;
    const message = decode(text);
    if (message === null) return this.failed('message');
    if (message.from !== this.node.id) this.#messages.next(message);
  }

  get #why(): string {
    const { message = 'no answer' } = Object(this.#lastError) as { readonly message?: string };
    return message;
  }
}

/** Where a server listens: its address, or the machine's first one where it listens on all. */
function addressOf(server: unknown): string {
  const bound = (server as { address?(): unknown } | undefined)?.address?.() ?? null;
  const { address = '::', port } = Object(bound) as { address?: string; port?: number };
  const isAny = address === '::' || address === '0.0.0.0';
  const host = isAny ? (machineAddress() ?? '127.0.0.1') : address;
  const shown = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? shown : `${shown}:${port}`;
}

function machineAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}
