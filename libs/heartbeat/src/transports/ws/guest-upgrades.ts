import type { Duplex } from 'node:stream';

import { ignoreError, isTaken, stopIgnoringErrors, type Upgrade } from './upgrade.js';

/** Upgrades that are answered in one turn of the event loop; each costs about 20 µs. */
const ANSWERS_PER_TURN = 200;

/** The parts of a port that {@link GuestUpgrades} depends on. */
export interface GuestUpgradesOptions {
  /** Time after which an upgrade that no listener has taken is answered, in milliseconds. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Called once for each upgrade that no listener took within that time. */
  readonly untaken: (upgrade: Upgrade) => void;
}

interface Pending {
  readonly upgrade: Upgrade;
  readonly dueAt: number;
  /** Whether a tracked server was given the upgrade. */
  isGiven: boolean;
}

/**
 * Upgrades that belong to other `upgrade` listeners of a shared HTTP server ("guests"). They are neither answered nor counted here. Two
 * cases are handled: an upgrade that no listener takes would hang forever, and open sockets of guests would keep the HTTP server from
 * closing at the end of a drain. One timer serves all upgrades.
 */
export class GuestUpgrades {
  readonly #sockets = new Set<Duplex>();
  /** Upgrades that no listener may have taken, the oldest first. */
  readonly #pending = new Map<Duplex, Pending>();
  readonly #closed: (this: Duplex) => void;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(private readonly options: GuestUpgradesOptions) {
    const forget = (socket: Duplex) => {
      this.#sockets.delete(socket);
      this.#pending.delete(socket);
    };
    this.#closed = function (this: Duplex) {
      forget(this);
    };
  }

  /** Whether {@link end} was called. Until {@link resume} no upgrade is left to guests. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The number of open sockets of guests. */
  get count(): number {
    return this.#sockets.size;
  }

  /** Leaves an upgrade to the other listeners. */
  leave(upgrade: Upgrade): void {
    const { socket } = upgrade;
    this.own(socket);
    socket.on('error', ignoreError);
    this.#pending.set(socket, { upgrade, dueAt: this.options.now() + this.options.timeoutMs, isGiven: false });
    this.#arm(this.options.timeoutMs);
  }

  /** Counts a socket that a guest has already taken. */
  own(socket: Duplex): void {
    if (this.#sockets.has(socket) || socket.destroyed) return;
    this.#sockets.add(socket);
    socket.on('close', this.#closed);
  }

  /** Whether an upgrade waits, and is given to a tracked server for the first time. */
  give(socket: Duplex): boolean {
    const pending = this.#pending.get(socket);
    if (pending === undefined || pending.isGiven) return false;
    return (pending.isGiven = true);
  }

  /** Removes a socket that is no longer a guest's, because a tracked server was given it. */
  forget(socket: Duplex): void {
    if (!this.#sockets.delete(socket)) return;
    socket.off('close', this.#closed);
    if (this.#pending.delete(socket)) stopIgnoringErrors(socket);
  }

  /** Destroys the sockets of all guests. */
  end(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.#pending.clear();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Leaves upgrades to guests again after {@link end}. */
  resume(): void {
    this.#isOver = false;
  }

  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(() => this.#check(), delayMs).unref();
  }

  #check(): void {
    this.#timer = null;
    const now = this.options.now();
    let answered = 0;
    for (const [socket, { upgrade, dueAt }] of this.#pending) {
      if (dueAt > now) return this.#arm(dueAt - now);
      if (answered === ANSWERS_PER_TURN) return this.#arm(0);
      this.#pending.delete(socket);
      stopIgnoringErrors(socket);
      if (isTaken(upgrade)) continue;
      answered++;
      this.#sockets.delete(socket);
      socket.off('close', this.#closed);
      this.options.untaken(upgrade);
    }
  }
}
