import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import { z } from 'zod';

import { NodeState } from '../node/node-state.js';
import { BanStore } from '../connection/ports.js';
import { type BanNotice, type HeartbeatEventOf, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { inSlices } from '../base/slices.js';
import { wireText } from '../base/wire-values.js';
import type { BanChanges, ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeMessages } from '../messaging/node-messages.js';
import { parseBy } from '../messaging/wire.js';

/** The message `bans` announces that the bans have changed. */
export const bansChanged = z.object({});

/** A ban as Redis stores it. */
const storedBan = z.object({
  kind: z.enum(['user', 'ip', 'cidr']),
  value: wireText,
  reason: wireText,
  by: wireText.optional(),
});

/** A change of the bans that Redis does not know yet. */
interface Change {
  /** Null for a ban that was lifted. */
  readonly ban: BanNotice | null;
  /** The remaining time at `at`. */
  readonly forMs: number;
  /** The time of the change, on this node's clock. */
  readonly at: number;
}

/** Bans on a page: some milliseconds of work for Redis and for this node. */
const PAGE = 200;
/** Changes that are sent to Redis together. */
const CHANGES_AT_ONCE = 100;

/** The state of Redis' bans that is known here. */
interface Known {
  version: number;
  /** While all bans are fetched from the beginning, the ids that Redis has; null afterwards. */
  there: Set<string> | null;
}

/**
 * Shares the bans of all nodes. Each change is written to Redis and announced, and each node fetches the changes, page by page in the order
 * of their versions. A node that missed the announcement detects it at the next renewal of its lease, within a second. Admission checks
 * bans in memory. While Redis is lost, the known bans stay in force, and changes wait. A Redis that was emptied receives all bans again. A
 * page that fails is fetched again at the next renewal, after the end of the previous pages.
 */
@Injectable()
export class SharedBans implements OnApplicationShutdown {
  readonly #waiting = new Map<string, Change>();
  readonly #subscription: Subscription | null = null;
  #known: Known = fromTheBeginning();
  #isRunning = false;
  #isWanted = false;

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    private readonly bans: BanStore,
    private readonly messages: NodeMessages,
    events: HeartbeatEvents,
  ) {
    messages.handle('bans', bansChanged, () => this.#exchange());
    if (!bus.isShared) return;
    this.#subscription = events.ofType('banned', 'unbanned').subscribe(event => this.#noticed(event));
    link.renewals.subscribe(({ isNew, banVersion }) => {
      if (isNew) this.#startAnew();
      else if (this.#isBehind(banVersion)) this.#exchange();
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  #isBehind(banVersion: number): boolean {
    const { version, there } = this.#known;
    return banVersion !== version || there !== null || this.#waiting.size > 0;
  }

  #noticed(event: HeartbeatEventOf<'banned' | 'unbanned'>): void {
    if (event.type === 'banned') this.#changed(event.ban.id, event.ban, event.ban.forMs);
    else this.#changed(event.id, null, event.forMs);
    this.#exchange();
  }

  #changed(id: string, ban: BanNotice | null, forMs: number): void {
    this.#waiting.set(id, { ban, forMs, at: this.node.clock.now() });
  }

  /** Redis may have lost its bans, and its version may have passed the known one since. So all bans are compared. */
  #startAnew(): void {
    this.#known = fromTheBeginning();
    this.#exchange();
  }

  /** Sends pending changes, and fetches new ones. Only one exchange runs at a time; it repeats if it was requested meanwhile. */
  #exchange(): void {
    this.#isWanted = true;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isWanted && this.bus.isUp) {
      this.#isWanted = false;
      try {
        if (await this.#sendChanges()) this.messages.send(null, 'bans');
        if (await this.#fetchPage()) this.#isWanted = true;
      } catch (error) {
        this.link.failed('ban', error);
      }
    }
    this.#isRunning = false;
  }

  /** Sends pending changes, several together. Returns whether there were any. */
  async #sendChanges(): Promise<boolean> {
    const changes = [...this.#waiting];
    for (let from = 0; from < changes.length; from += CHANGES_AT_ONCE) {
      await Promise.all(changes.slice(from, from + CHANGES_AT_ONCE).map(([id, change]) => this.#send(id, change)));
    }
    return changes.length > 0;
  }

  async #send(id: string, change: Change): Promise<void> {
    const forMs = change.forMs - (this.node.clock.now() - change.at);
    if (forMs > 0 && change.ban === null) await this.bus.dropBan(id, forMs);
    else if (forMs > 0 && change.ban !== null) {
      const isTaken = await this.bus.putBan({ id, text: textOf(change.ban), forMs });
      if (!isTaken && this.#waiting.get(id) === change) this.bans.renew(id);
    }
    if (this.#waiting.get(id) === change) this.#waiting.delete(id);
  }

  /** Fetches the next changes. Returns whether more follow. */
  async #fetchPage(): Promise<boolean> {
    // The page belongs to this beginning only, even if `#startAnew` runs meanwhile.
    const known = this.#known;
    const page = await this.bus.bans(known.version, PAGE);
    if (page.version < known.version) {
      this.#startAnew();
      return false;
    }
    await this.#take(page);
    for (const { id } of page.put) known.there?.add(id);
    known.version = page.version;
    if (page.hasMore || known.there === null) return page.hasMore;
    const { there } = known;
    known.there = null;
    await this.#sendMissing(there);
    return false;
  }

  async #take({ put, dropped }: BanChanges): Promise<void> {
    for (const id of dropped) this.bans.remove(id);
    await inSlices(put, ({ id, text, forMs }) => {
      const read = decodeBan(text);
      const isLifted = this.#waiting.get(id)?.ban === null;
      if (read === null) this.link.failed('message');
      else if (!isLifted && !this.bans.add({ id, ...read, forMs })) this.link.failed('message');
    });
  }

  /** All bans of Redis were fetched. Those that only this node has are sent. */
  async #sendMissing(there: ReadonlySet<string>): Promise<void> {
    await inSlices(this.bans.records(), ban => {
      if (there.has(ban.id) || this.#waiting.has(ban.id)) return;
      this.#changed(ban.id, ban, ban.forMs);
      this.#isWanted = true;
    });
  }
}

function fromTheBeginning(): Known {
  return { version: 0, there: new Set() };
}

export function decodeBan(given: string): z.output<typeof storedBan> | null {
  return parseBy(storedBan, given);
}

function textOf({ kind, value, reason, by }: BanNotice): string {
  return JSON.stringify({ kind, value, reason, by });
}
