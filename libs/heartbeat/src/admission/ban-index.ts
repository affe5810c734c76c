import { type NetworkBits, networkBits, networkText } from '../base/address-bits.js';
import { NetworkTable } from '../base/network-table.js';
import { EndQueue } from './end-queue.js';

export type BanKind = 'user' | 'ip' | 'cidr';

export interface Ban {
  readonly id: string;
  readonly kind: BanKind;
  /** A user's id, an address or a CIDR; addresses and CIDRs in one spelling, without host bits. */
  readonly value: string;
  readonly reason: string;
  readonly expiresAt: Date;
}

/** A ban as one node created it. */
export interface HeldBan {
  readonly id: string;
  readonly kind: BanKind;
  readonly value: string;
  readonly reason: string;
  /** On the monotonic clock, so that a jump of the wall clock ends no ban. */
  readonly endsAt: number;
  /** Whether this node has extended it. */
  readonly isExtended?: boolean;
  /** The initiator. */
  readonly by?: string | undefined;
}

/** The subject of a ban: a user, or a network (an address is a network with a full prefix). */
export type BanTarget = { readonly user: string } | { readonly network: NetworkBits };

/**
 * The target of a ban, the same for every spelling. Returns null for a value that is not of its kind. The kinds `ip` and `cidr` have the
 * same targets: `10.0.0.1` is `10.0.0.1/32`.
 */
export function targetOf(kind: BanKind, value: string): BanTarget | null {
  if (kind === 'user') return value === '' ? null : { user: value };
  const network = value.includes('/') === (kind === 'cidr') ? networkBits(value) : null;
  return network && { network };
}

/** The value of a ban in one spelling. */
export function valueOf(kind: BanKind, target: BanTarget): string {
  if ('user' in target) return target.user;
  const text = networkText(target.network);
  return kind === 'cidr' && !text.includes('/') ? `${text}/${target.network.prefix}` : text;
}

/**
 * All bans of one target, shown as one ban: with the lowest id, and with the reason and the end of the ban that ends last. There are
 * several only where nodes have banned the target independently.
 */
export class TargetBans {
  /** Sorted by id, the lowest first. */
  #held: readonly HeldBan[] = [];

  constructor(readonly target: BanTarget) {}

  get held(): readonly HeldBan[] {
    return this.#held;
  }

  get shown(): HeldBan {
    const [first] = this.#held as [HeldBan, ...HeldBan[]];
    if (this.#held.length === 1) return first;
    const { reason, endsAt, by } = this.#held.reduce((last, next) => (next.endsAt > last.endsAt ? next : last));
    return { ...first, reason, endsAt, by };
  }

  /** @internal For the index only. */
  put(ban: HeldBan): void {
    this.remove(ban.id);
    this.#held = this.#held.length === 0 ? [ban] : [...this.#held, ban].toSorted(byId);
  }

  /** @internal For the index only. */
  remove(id: string): void {
    if (this.#held.length > 0) this.#held = this.#held.filter(ban => ban.id !== id);
  }
}

function byId(one: HeldBan, other: HeldBan): number {
  return one.id < other.id ? -1 : 1;
}

/** Number of ended bans that are removed at once, so that many that end together do not hold the event loop. */
const ENDS_AT_ONCE = 64;

/**
 * The bans, by id and by target. Lookups and changes cost a few comparisons, independent of the number of bans. Only `all` iterates over
 * all bans.
 */
export class BanIndex {
  readonly #byId = new Map<string, TargetBans>();
  readonly #users = new Map<string, TargetBans>();
  readonly #networks = new NetworkTable<TargetBans>();
  readonly #ends = new EndQueue();

  /** The number of bans, including ended ones that are not removed yet. */
  get size(): number {
    return this.#byId.size;
  }

  /** Adds a ban. It replaces a ban with the same id. */
  add(ban: HeldBan, target: BanTarget): TargetBans {
    const bans = this.#at(target) ?? this.#open(target);
    bans.put(ban);
    this.#byId.set(ban.id, bans);
    this.#ends.set(ban.id, ban.endsAt);
    return bans;
  }

  get(id: string): TargetBans | undefined {
    return this.#byId.get(id);
  }

  /** The bans in force on a target at `now`. */
  on(target: BanTarget, now: number): TargetBans | undefined {
    this.#expire(now);
    const bans = this.#at(target);
    return bans && bans.shown.endsAt > now ? bans : undefined;
  }

  /** Returns false if there is no such ban. */
  delete(id: string): boolean {
    const bans = this.#byId.get(id);
    if (bans === undefined) return false;
    this.#byId.delete(id);
    this.#ends.delete(id);
    bans.remove(id);
    if (bans.held.length > 0) return true;
    const { target } = bans;
    if ('user' in target) this.#users.delete(target.user);
    else this.#networks.delete(target.network);
    return true;
  }

  /** The bans in force that match an address or a user; a ban of the user comes first. */
  find(ip: string, userId: string | null, now: number): TargetBans | undefined {
    if (this.#byId.size === 0) return undefined;
    this.#expire(now);
    const ofUser = userId === null ? undefined : this.#users.get(userId);
    if (ofUser && ofUser.shown.endsAt > now) return ofUser;
    return this.#networks.find(ip, ({ shown }) => shown.endsAt > now);
  }

  /** The bans in force at `now`, one for each target; live, and in no particular order. */
  *all(now: number): IterableIterator<TargetBans> {
    this.#expire(now);
    for (const [id, bans] of this.#byId) if (bans.held[0]?.id === id && bans.shown.endsAt > now) yield bans;
  }

  #at(target: BanTarget): TargetBans | undefined {
    return 'user' in target ? this.#users.get(target.user) : this.#networks.get(target.network);
  }

  #open(target: BanTarget): TargetBans {
    const bans = new TargetBans(target);
    if ('user' in target) this.#users.set(target.user, bans);
    else this.#networks.set(target.network, bans);
    return bans;
  }

  #expire(now: number): void {
    for (let taken = 0; taken < ENDS_AT_ONCE; taken++) {
      const id = this.#ends.takeEnded(now);
      if (id === undefined) return;
      this.delete(id);
    }
  }
}
