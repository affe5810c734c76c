import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { NetworkRanking } from './network-ranking.js';
import { responseUnderWay } from './plain-request.js';

/**
 * After a stall many sockets are accepted in one turn, before their requests can be read. So for this time after its accept, in
 * milliseconds, a socket is not destroyed because of the number of sockets. At the limit of open files it is destroyed only if there is no
 * other candidate.
 */
const GRACE_MS = 1000;
/** A check that is late by more than this, in milliseconds, is repeated after pending input was read. */
const LATE_MS = 250;
const READ_FIRST_MS = 10;
/** Sockets that are checked, and destroyed, in one turn of the event loop. */
const CHECKS_PER_TURN = 2000;
const ENDS_PER_TURN = 200;

/** The options and dependencies of {@link SilentSockets}. */
export interface SilentSocketsOptions {
  /** Time for a request head, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum of sockets of one network, and of all, whose request head is incomplete. */
  readonly maxPerNetwork: number;
  readonly max: number;
  /** Whether the process has so many sockets that one must be destroyed. */
  readonly isFull: () => boolean;
  readonly now: () => number;
}

type NetSocket = Duplex & { readonly bytesRead?: number };

/** A socket of an HTTP server that is not a WebSocket. */
interface Entry {
  readonly socket: NetSocket;
  /** Null for a socket that is not limited by address. */
  readonly network: string | null;
  /** `head`: no request head is complete; `idle`: between requests; `busy`: at least one request is under way. */
  phase: 'head' | 'idle' | 'busy';
  /** When the phase began. */
  since: number;
  /** The time of the last check of an idle socket. */
  checkedAt: number;
  bytesSeen: number;
  active: number;
  request: IncomingMessage | null;
}

/** The sockets of one network, each set with the oldest first. */
interface Group {
  readonly heads: Set<Entry>;
  /** Idle sockets, and those whose request has a body. */
  readonly others: Set<Entry>;
}

/**
 * Limits the sockets of HTTP servers that are silent: no request, a slow head, a slow body, an idle connection. Each counts from its first
 * moment, by network and in total. A head has a time limit. At the limit of open files, the oldest silent socket of the busiest network is
 * destroyed, so that probes and upgrades are accepted. Requests that the application works on are never destroyed.
 */
export class SilentSockets {
  readonly #entries = new Map<Duplex, Entry>();
  readonly #heads = new Set<Entry>();
  readonly #idle = new Set<Entry>();
  readonly #groups = new Map<string, Group>();
  readonly #ranking = new NetworkRanking();
  readonly #closed: (this: Duplex) => void;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = 0;

  constructor(private readonly options: SilentSocketsOptions) {
    const forget = (socket: Duplex) => this.forget(socket);
    this.#closed = function (this: Duplex) {
      forget(this);
    };
  }

  get count(): number {
    return this.#entries.size;
  }

  /** A socket was accepted, or starts again as an HTTP connection. */
  add(socket: NetSocket, network: string | null): void {
    if (this.#entries.has(socket)) return;
    const { bytesRead: bytesSeen = 0 } = socket;
    const entry: Entry = {
      socket,
      network,
      phase: 'head',
      since: 0,
      checkedAt: 0,
      bytesSeen,
      active: 0,
      request: null,
    };
    this.#entries.set(socket, entry);
    socket.on('close', this.#closed);
    this.#enter(entry, 'head');
    const [oldest] = this.#heads;
    const [oldestOfNetwork] = this.#groups.get(network ?? '')?.heads ?? [];
    for (const head of [oldestOfNetwork, oldest]) if (head && this.#isTooMany(head)) this.#end(head);
    if (this.options.isFull()) this.#makeRoom();
  }

  /** A request head is complete. */
  requested(request: IncomingMessage, response: ServerResponse): void {
    const entry = this.#entries.get(request.socket);
    if (!entry) return;
    entry.active++;
    entry.request = request;
    this.#enter(entry, 'busy');
    response.once('close', () => {
      if (--entry.active === 0 && this.#entries.get(entry.socket) === entry) this.#enter(entry, 'idle');
    });
  }

  /** An upgrade has its own time limit. Its socket counts until it is a WebSocket, see {@link forget}. */
  upgrading(socket: Duplex): void {
    const entry = this.#entries.get(socket);
    if (!entry) return;
    entry.request = null;
    this.#enter(entry, 'busy');
  }

  /** Removes a socket that is counted elsewhere, or has closed. */
  forget(socket: Duplex): void {
    const entry = this.#entries.get(socket);
    if (!entry) return;
    socket.off('close', this.#closed);
    this.#entries.delete(socket);
    this.#leave(entry);
  }

  close(): void {
    for (const socket of this.#entries.keys()) this.forget(socket);
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #enter(entry: Entry, phase: Entry['phase']): void {
    this.#leave(entry);
    entry.phase = phase;
    entry.since = entry.checkedAt = this.options.now();
    entry.bytesSeen = entry.socket.bytesRead ?? 0;
    if (entry.network === null) return;
    if (phase === 'busy' && !hasBody(entry.request)) return;
    const group = this.#groups.get(entry.network) ?? { heads: new Set(), others: new Set() };
    this.#groups.set(entry.network, group);
    (phase === 'head' ? group.heads : group.others).add(entry);
    this.#ranking.change(entry.network, 1);
    if (phase === 'head') this.#heads.add(entry);
    if (phase === 'idle') this.#idle.add(entry);
    if (phase !== 'busy') this.#arm();
  }

  #leave(entry: Entry): void {
    this.#heads.delete(entry);
    this.#idle.delete(entry);
    const { network } = entry;
    const group = network === null ? undefined : this.#groups.get(network);
    if (!group || network === null || !(group.heads.delete(entry) || group.others.delete(entry))) return;
    this.#ranking.change(network, -1);
    if (group.heads.size + group.others.size === 0) this.#groups.delete(network);
  }

  /** Whether a silent socket exceeds a limit. */
  #isTooMany({ network, since }: Entry): boolean {
    const ofNetwork = this.#groups.get(network ?? '')?.heads.size ?? 0;
    const isOver = this.#heads.size > this.options.max || ofNetwork > this.options.maxPerNetwork;
    return isOver && this.options.now() - since >= GRACE_MS;
  }

  /** Destroys the oldest silent socket of the busiest network; never the newest, which was just accepted. */
  #makeRoom(): void {
    const { busiest } = this.#ranking;
    if (busiest === undefined) return;
    const { heads, others } = this.#groups.get(busiest)!;
    const [head] = heads;
    if (head !== undefined && this.options.now() - head.since >= GRACE_MS) return this.#end(head);
    for (const other of others) {
      if (other.phase === 'idle' || !other.request?.complete) return this.#end(other);
      // The body has arrived since, so the application works on the request.
      this.#leave(other);
    }
    if (head !== undefined && heads.size > 1) this.#end(head);
  }

  #end({ socket }: Entry): void {
    this.forget(socket);
    socket.destroy();
  }

  #arm(delayMs = Math.min(1000, this.options.timeoutMs / 4)): void {
    if (this.#timer) return;
    this.#dueAt = this.options.now() + delayMs;
    this.#timer = setTimeout(() => this.#check(), delayMs).unref();
  }

  #check(): void {
    this.#timer = null;
    const now = this.options.now();
    if (now - this.#dueAt > LATE_MS) return this.#arm(READ_FIRST_MS);
    const isMore = this.#checkHeads(now) || this.#checkIdle(now);
    if (isMore) this.#arm(0);
    else if (this.#heads.size + this.#idle.size > 0) this.#arm();
  }

  /** Destroys sockets whose head is late. Returns whether some are left for the next turn. */
  #checkHeads(now: number): boolean {
    let ended = 0;
    for (const entry of this.#heads) {
      if (now - entry.since < Math.min(GRACE_MS, this.options.timeoutMs)) return false;
      if (now - entry.since < this.options.timeoutMs && !this.#isTooMany(entry)) continue;
      if (++ended > ENDS_PER_TURN) return true;
      // An application that handles `checkContinue` receives its request without the event `request`.
      if (responseUnderWay(entry.socket)) this.#enter(entry, 'idle');
      else this.#end(entry);
    }
    return false;
  }

  /** Finds idle sockets on which a head has begun: Node reads it without an event. */
  #checkIdle(now: number): boolean {
    let checked = 0;
    for (const entry of this.#idle) {
      if (entry.checkedAt === now) return false;
      if (++checked > CHECKS_PER_TURN) return true;
      if (entry.socket.bytesRead !== entry.bytesSeen && !responseUnderWay(entry.socket)) {
        this.#enter(entry, 'head');
        continue;
      }
      entry.checkedAt = now;
      this.#idle.delete(entry);
      this.#idle.add(entry);
    }
    return false;
  }
}

function hasBody(request: IncomingMessage | null): boolean {
  if (request === null) return false;
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || Number(length) > 0;
}
