import { SharedIndex } from '../connection/shared-index.js';
import { clientNetwork, networkMatcher, plainAddress } from '../network-address.js';

export type BanKind = 'user' | 'ip' | 'cidr';

export interface Ban {
  readonly id: string;
  readonly kind: BanKind;
  /** A user's id, an address or a CIDR. */
  readonly value: string;
  readonly reason: string;
  readonly expiresAt: Date;
}

/** A ban, when it ends, and whom it meets. */
export interface BanEntry {
  readonly ban: Ban;
  /** On the monotonic clock: a jump of the wall clock frees nobody. */
  readonly endsAt: number;
  readonly matches: (ip: string, userId: string | null) => boolean;
}

/** The bans, found for each upgrade without a walk through all: users and addresses by name, networks by one common list. */
export class BanIndex {
  readonly #entries = new Map<string, BanEntry>();
  readonly #byKey = new SharedIndex<BanEntry>();
  /** Whether an address is in any banned network; made anew at the first question after a change. */
  #isInAnyNetwork: ((ip: string) => boolean) | null = null;
  #nextEnd = Infinity;

  add(entry: BanEntry): void {
    this.#entries.set(entry.ban.id, entry);
    this.#byKey.add(keyOf(entry.ban), entry);
    this.#isInAnyNetwork = null;
    this.#nextEnd = Math.min(this.#nextEnd, entry.endsAt);
  }

  get(id: string): BanEntry | undefined {
    return this.#entries.get(id);
  }

  /** False if there is no such ban. */
  delete(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#byKey.remove(keyOf(entry.ban), entry);
    this.#isInAnyNetwork = null;
    return true;
  }

  /** The bans in force at `now`. */
  values(now: number): BanEntry[] {
    this.#expire(now);
    return [...this.#entries.values()];
  }

  find(ip: string, userId: string | null, now: number): BanEntry | undefined {
    if (this.#entries.size === 0) return undefined;
    this.#expire(now);
    const [byUser] = userId === null ? [] : this.#byKey.get(userKey(userId));
    const [found = byUser] = this.#byKey.get(addressKey(ip));
    if (found !== undefined || this.#byKey.count(NETWORKS) === 0) return found;
    this.#isInAnyNetwork ??= networkMatcher(this.#byKey.get(NETWORKS).map(({ ban }) => ban.value));
    return this.#isInAnyNetwork(ip) ? this.#byKey.get(NETWORKS).find(({ matches }) => matches(ip, userId)) : undefined;
  }

  #expire(now: number): void {
    if (now < this.#nextEnd) return;
    for (const [id, { endsAt }] of this.#entries) if (endsAt <= now) this.delete(id);
    this.#nextEnd = Infinity;
    for (const { endsAt } of this.#entries.values()) this.#nextEnd = Math.min(this.#nextEnd, endsAt);
  }
}

const NETWORKS = 'networks';

function keyOf({ kind, value }: Ban): string {
  if (kind === 'cidr') return NETWORKS;
  return kind === 'user' ? userKey(value) : addressKey(value);
}

function userKey(userId: string): string {
  return `user ${userId}`;
}

/** An IPv6 address may be written in many ways: all its bits are one key. */
function addressKey(ip: string): string {
  return `ip ${clientNetwork(plainAddress(ip), 128)}`;
}
