import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { NodeState } from '../connection/node-state.js';
import { type BanNotice, type HeartbeatEventOf, HeartbeatEvents } from '../heartbeat.events.js';
import { HEARTBEAT_BUS } from '../heartbeat.tokens.js';
import type { ClusterBus } from './cluster-bus.js';
import { ClusterLink } from './cluster-link.js';
import { decodeBan } from './wire.js';

/** A change of the bans that Redis has not been told yet. */
interface Change {
  /** Null for a ban that was lifted. */
  readonly ban: BanNotice | null;
  /** How much longer it held when that was told. */
  readonly forMs: number;
  /** When that was, on our clock. */
  readonly at: number;
}

/**
 * The bans of all nodes in one: each change goes to Redis and is announced, and each node fetches what has changed. Whoever missed
 * the announcement hears of it at the next renewal of its lease, so within a second. Checked from memory at the door; while Redis
 * is lost, those that are known go on, and changes wait. A Redis that was emptied is told everything anew.
 */
@Injectable()
export class SharedBans implements OnApplicationShutdown {
  readonly #waiting = new Map<string, Change>();
  readonly #subscription: Subscription | null = null;
  /** How far the bans of Redis are known here. */
  #known = { version: 0 };
  #isRunning = false;
  #isWanted = false;

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterLink,
    events: HeartbeatEvents,
  ) {
    if (!bus.isShared) return;
    this.#subscription = events.ofType('banned', 'unbanned').subscribe(event => this.#noticed(event));
    link.messages.subscribe(({ kind }) => {
      if (kind === 'bans') this.#exchange();
    });
    link.renewals.subscribe(({ isNew, banVersion }) => {
      if (isNew) this.#startAnew();
      else if (banVersion !== this.#known.version || this.#waiting.size > 0) this.#exchange();
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  #noticed(event: HeartbeatEventOf<'banned' | 'unbanned'>): void {
    if (event.type === 'banned') this.#changed(event.ban.id, event.ban, event.ban.forMs);
    else this.#changed(event.id, null, event.forMs);
    this.#exchange();
  }

  #changed(id: string, ban: BanNotice | null, forMs: number): void {
    this.#waiting.set(id, { ban, forMs, at: this.node.clock.now() });
  }

  /** Redis may have lost its bans, and its count of changes may have passed ours since: everything is compared. */
  #startAnew(): void {
    this.#known = { version: 0 };
    this.#exchange();
  }

  /** Tells what waits, and fetches what is new; one at a time, and once more if something came meanwhile. */
  #exchange(): void {
    this.#isWanted = true;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isWanted && this.bus.isUp) {
      this.#isWanted = false;
      try {
        if (await this.#tell()) this.link.send(null, { kind: 'bans', from: this.node.id });
        await this.#fetch();
      } catch (error) {
        this.link.failed('ban', error);
      }
    }
    this.#isRunning = false;
  }

  async #tell(): Promise<boolean> {
    const changes = [...this.#waiting];
    for (const [id, change] of changes) {
      const forMs = change.forMs - (this.node.clock.now() - change.at);
      if (forMs > 0 && change.ban === null) await this.bus.dropBan(id, forMs);
      else if (forMs > 0 && change.ban !== null) await this.bus.putBan({ id, text: textOf(change.ban), forMs });
      if (this.#waiting.get(id) === change) this.#waiting.delete(id);
    }
    return changes.length > 0;
  }

  async #fetch(): Promise<void> {
    // What comes of it counts for this beginning only.
    const known = this.#known;
    const { version, put, dropped } = await this.bus.bans(known.version);
    if (version < known.version) return this.#startAnew();
    const { banBook } = this.node;
    for (const id of dropped) banBook?.drop(id);
    for (const { id, text, forMs } of put) {
      const read = decodeBan(text);
      const isLifted = this.#waiting.get(id)?.ban === null;
      if (read === null) this.link.failed('message');
      else if (!isLifted && banBook?.adopt({ id, ...read, forMs }) === false) this.link.failed('message');
    }
    if (known.version === 0) this.#tellWhatIsMissing(new Set(put.map(({ id }) => id)));
    known.version = version;
  }

  /** All bans of Redis were fetched: those that are known here alone go there. */
  #tellWhatIsMissing(there: ReadonlySet<string>): void {
    const missing = (this.node.banBook?.records() ?? []).filter(({ id }) => !there.has(id) && !this.#waiting.has(id));
    for (const ban of missing) this.#changed(ban.id, ban, ban.forMs);
    if (missing.length > 0) this.#isWanted = true;
  }
}

function textOf({ kind, value, reason }: BanNotice): string {
  return JSON.stringify({ kind, value, reason });
}
