import { setTimeout as sleep } from 'node:timers/promises';

import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Subject, type Subscription } from 'rxjs';

import { NodeState } from '../node/node-state.js';
import type { ClusterOperation } from '../node/totals.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { type ClusterNode, encodeLease, NodeReporter } from './cluster-node.js';
import type { ClusterBus, Renewal } from './cluster-bus.js';
import { Inbox } from './inbox.js';
import { RedisClock } from './redis-clock.js';
import { encode } from './wire.js';
import { withTimeout } from './with-timeout.js';

/** Maximum time that the end of the app waits for Redis. */
const LEAVE_MS = 500;
/** The part of it for what must reach Redis before the node leaves. */
const LAST_WORK_MS = 300;
/** Number and interval of the attempts to send a message that must arrive after a stall. */
const DELIVERY_ATTEMPTS = 40;
const DELIVERY_PAUSE_MS = 250;

/** The kind of message that announces the end of a node. */
export const LEFT = 'left';

/**
 * This node's membership of the cluster. It renews the lease, publishes messages and passes on received ones. In a cluster of one it does
 * nothing.
 */
@Injectable()
export class ClusterMembership implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  readonly #received = new Subject<string>();
  readonly #renewals = new Subject<Renewal>();
  #wasLost = false;
  readonly #subscription: Subscription;
  /** Ends the renewals. */
  #end: (() => void) | null = null;
  #isRenewing = false;
  #isOver = false;
  readonly #lastWork: (() => Promise<unknown>)[] = [];
  #lastError: unknown = null;
  readonly #storeClock: RedisClock;
  readonly #inbox = new Inbox(
    text => this.#received.next(text),
    () => this.failed('message'),
  );

  /** Messages to this node or to all, including its own, as they arrive: unchecked. */
  readonly received = this.#received.asObservable();
  readonly renewals = this.#renewals.asObservable();

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly reporter: NodeReporter,
    events: HeartbeatEvents,
  ) {
    this.#storeClock = new RedisClock(node.clock.wallTime(0).getTime());
    node.clusterLost = bus.isShared;
    // Other nodes learn at once that this node drains, or serves again.
    this.#subscription = events.ofType('drain-started', 'drain-aborted').subscribe(() => void this.renew());
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.bus.isShared) return;
    await this.bus.start(this.node.id, {
      message: text => this.#inbox.add(text),
      availability: isUp => this.#changeAvailability(isUp),
      failed: error => this.failed('connection', error),
    });
    this.#end = this.node.seconds.every(() => void this.renew());
    await this.renew();
    if (this.node.clusterLost)
      this.#logger.warn(`Redis does not respond yet, this node works alone: ${this.#lastFailure}`);
  }

  /** Runs last, since the drain needs the cluster. Its duration is bounded regardless of Redis. */
  async onApplicationShutdown(): Promise<void> {
    this.#isOver = true;
    this.#subscription.unsubscribe();
    this.#end?.();
    this.#inbox.close();
    this.#received.complete();
    this.#renewals.complete();
    if (!this.bus.isShared) return;
    await withTimeout(this.#leave(), LEAVE_MS, 'Redis').catch(() => undefined);
    await this.bus.stop();
  }

  /** Ends the lease, and announces that. Otherwise this node would look like one that an emptied Redis does not know. */
  async #leave(): Promise<void> {
    // The other hooks of this turn may still add work.
    await Promise.resolve();
    const work = Promise.all(this.#lastWork.map(each => each()));
    await withTimeout(work, LAST_WORK_MS, 'Redis').catch(() => undefined);
    await this.bus.leave();
    await this.bus.publish(null, encode(LEFT, this.node.id, {}));
  }

  /** Publishes a message to one node, or to all, at most once; a failure is counted. */
  publish(to: string | null, text: string): void {
    this.bus.publish(to, text).catch((error: unknown) => this.failed('publish', error));
  }

  /**
   * Publishes repeatedly until Redis has accepted the message, at most for ten seconds: after a stall of this node Redis counts as lost for
   * a moment.
   */
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

  /** Registers what must reach Redis before this node leaves the cluster, if Redis responds in time. */
  beforeLeaving(work: () => Promise<unknown>): void {
    this.#lastWork.push(work);
  }

  /** Counts a failure without logging it: a permanent failure would fill the log, and the loss of Redis is logged once. */
  failed(operation: ClusterOperation, error?: unknown): void {
    if (error !== undefined) this.#lastError = error;
    this.node.totals.clusterErrors[operation]++;
  }

  /** Converts a time of this node's clock to the store's clock, which all nodes share; to the wall clock for a node that is alone. */
  storeTime(moment: number): number {
    return this.bus.isShared ? this.#storeClock.timeOf(moment) : this.node.clock.wallTime(moment).getTime();
  }

  /** This node in its current state. */
  report(): ClusterNode {
    return { id: this.node.id, ...this.reporter.describe(), ageMs: 0 };
  }

  /** Renews the lease; only one renewal runs at a time. It is called every second. */
  async renew(): Promise<void> {
    if (this.#isRenewing || this.#isOver || !this.bus.isShared) return;
    this.#isRenewing = true;
    try {
      const sentAt = this.node.clock.now();
      const renewal = await this.bus.renew(this.node.options.cluster.leaseMs, encodeLease(this.reporter.describe()));
      this.#storeClock.note(sentAt, this.node.clock.now(), renewal.now);
      this.node.clusterNodes = renewal.nodes;
      // After an outage the entries of this node in Redis may be old.
      this.#renewals.next({ ...renewal, isNew: renewal.isNew || this.#wasLost });
      this.#wasLost = false;
    } catch (error) {
      this.failed('lease', error);
    } finally {
      this.#isRenewing = false;
    }
  }

  #changeAvailability(isUp: boolean): void {
    if (this.node.clusterLost === !isUp) return;
    this.node.clusterLost = !isUp;
    if (!isUp) {
      this.node.clusterNodes = 1;
      this.#wasLost = true;
    }
    if (isUp) this.#logger.log('Redis responds: this node is one of the cluster');
    else this.#logger.warn(`Redis is lost, this node works alone until it responds again: ${this.#lastFailure}`);
  }

  get #lastFailure(): string {
    const { message = 'no answer' } = Object(this.#lastError) as { readonly message?: string };
    return message;
  }
}
