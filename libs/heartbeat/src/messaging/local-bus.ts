import type { Clock } from '../base/clock.js';
import type {
  BanChanges,
  BusListener,
  ClusterBus,
  Lease,
  Renewal,
  SharedBan,
  UserCount,
  UserStatement,
} from './cluster-bus.js';
import { LocalAudit } from './local-audit.js';
import type { AuditRecord } from './shared-audit.js';
import { LocalRecords, type RecordTable } from './local-records.js';
import type { SharedRecords } from './shared-records.js';
import { LocalLimits, type LimitTable } from './local-limits.js';

/** The shared state of nodes in one process. */
export class LocalStore {
  readonly listeners = new Map<string, BusListener>();
  readonly leases = new Map<
    string,
    { readonly summary: string; readonly renewedAt: number; readonly endsAt: number }
  >();
  readonly bans = new Map<
    string,
    { readonly text: string | null; readonly endsAt: number; readonly version: number }
  >();
  /** By user and node. */
  readonly users = new Map<string, Map<string, UserStatement>>();
  readonly audit: AuditRecord[] = [];
  readonly records: RecordTable = new Map();
  readonly limits: LimitTable = { version: 0, entries: new Map() };
  banVersion = 0;

  /** Removes everything except the listeners. */
  empty(): void {
    this.leases.clear();
    this.bans.clear();
    this.users.clear();
    this.audit.length = 0;
    this.records.clear();
    this.limits.entries.clear();
    this.limits.version = this.banVersion = 0;
  }
}

/** Ends of a ban that differ by less are treated as equal. */
const SAME_END_MS = 1000;

/** The bus of a cluster of one, or of several nodes in one process that are given the same store. */
export class LocalBus implements ClusterBus {
  readonly isShared: boolean;
  isUp = false;
  readonly limits: LocalLimits;
  #self = '';
  readonly #store: LocalStore;
  readonly audit: LocalAudit;
  readonly records: SharedRecords;

  constructor(
    private readonly clock: Clock,
    store: LocalStore | null = null,
  ) {
    this.isShared = store !== null;
    this.#store = store ?? new LocalStore();
    this.audit = new LocalAudit(this.#store.audit);
    this.records = new LocalRecords(this.#store.records, () => this.#now);
    this.limits = new LocalLimits(this.#store.limits, () => this.#now);
  }

  async start(nodeId: string, listener: BusListener): Promise<void> {
    this.#self = nodeId;
    this.isUp = true;
    this.#store.listeners.set(nodeId, listener);
    listener.availability(true);
  }

  async stop(): Promise<void> {
    this.isUp = false;
    this.#store.listeners.delete(this.#self);
  }

  async publish(to: string | null, message: string): Promise<void> {
    const { listeners } = this.#store;
    const receivers = to === null ? [...listeners.values()] : [listeners.get(to)];
    for (const receiver of receivers) queueMicrotask(() => receiver?.message(message));
  }

  async renew(leaseMs: number, summary: string): Promise<Renewal> {
    const now = this.#now;
    const isNew = !this.#lives(this.#self);
    this.#store.leases.set(this.#self, { summary, renewedAt: now, endsAt: now + leaseMs });
    const living = [...this.#store.leases.keys()].filter(nodeId => this.#lives(nodeId));
    const { banVersion, limits } = this.#store;
    return { isNew, nodes: living.length, banVersion, limitVersion: limits.version, now };
  }

  async leave(): Promise<void> {
    this.#store.leases.delete(this.#self);
  }

  async leases(): Promise<Lease[]> {
    const living = [...this.#store.leases].filter(([nodeId]) => this.#lives(nodeId));
    return living.map(([nodeId, { summary, renewedAt }]) => ({ nodeId, summary, ageMs: this.#now - renewedAt }));
  }

  async hasLease(nodeId: string): Promise<boolean> {
    return this.#lives(nodeId);
  }

  async putBan({ id, text, forMs }: SharedBan): Promise<boolean> {
    this.#expireBans();
    const known = this.#store.bans.get(id);
    if (known?.text === null) return false;
    const endsAt = this.#now + forMs;
    if (known && endsAt <= known.endsAt + SAME_END_MS) return true;
    this.#store.bans.set(id, { text, endsAt, version: ++this.#store.banVersion });
    return true;
  }

  async dropBan(id: string, forMs: number): Promise<void> {
    this.#expireBans();
    const ban = this.#store.bans.get(id);
    if (ban?.text === null) return;
    const endsAt = ban?.endsAt ?? this.#now + forMs;
    this.#store.bans.set(id, { text: null, endsAt, version: ++this.#store.banVersion });
  }

  async bans(since: number, limit: number): Promise<BanChanges> {
    this.#expireBans();
    const all = [...this.#store.bans].filter(([, { version }]) => version > since);
    const changed = all.toSorted(([, one], [, other]) => one.version - other.version).slice(0, limit);
    const hasMore = changed.length < all.length;
    const put = changed.flatMap(([id, { text, endsAt }]) =>
      text === null ? [] : [{ id, text, forMs: endsAt - this.#now }],
    );
    const dropped = changed.flatMap(([id, { text }]) => (text === null ? [id] : []));
    const version = hasMore ? changed.at(-1)![1].version : this.#store.banVersion;
    return { version, hasMore, put, dropped };
  }

  async stateUsers(statements: readonly UserStatement[], limit?: number): Promise<UserCount[]> {
    return statements.map(statement => this.#stateUser(statement, limit));
  }

  #stateUser(statement: UserStatement, limit = Infinity): UserCount {
    const { userId, count } = statement;
    const others = [...(this.#store.users.get(userId) ?? [])].filter(
      ([nodeId]) => nodeId !== this.#self && this.#lives(nodeId),
    );
    const all = count === 0 ? others : [...others, [this.#self, statement] as const];
    const total = all.reduce((sum, [, stated]) => sum + stated.count, 0);
    const isTaken = total <= limit;
    const [first] = all.toSorted(([, one], [, other]) => one.oldestAt - other.oldestAt);
    if (isTaken) this.#store.users.set(userId, new Map(all));
    if (isTaken && all.length === 0) this.#store.users.delete(userId);
    return { isTaken, total, oldest: first ? { nodeId: first[0], serial: first[1].oldestSerial } : null };
  }

  get #now(): number {
    return this.clock.wallTime(this.clock.now()).getTime();
  }

  #lives(nodeId: string): boolean {
    const lease = this.#store.leases.get(nodeId);
    return lease !== undefined && lease.endsAt > this.#now;
  }

  #expireBans(): void {
    for (const [id, { endsAt }] of this.#store.bans) if (endsAt <= this.#now) this.#store.bans.delete(id);
  }
}
