import { printable } from '../base/printable.js';
import type { Connection } from '../connection/connection.js';
import type { InboundPolicy } from '../connection/ports.js';
import { NEVER } from '../connection/pulse.js';
import type { NodeState } from '../node/node-state.js';

/** Maximum time for checks in one step, in milliseconds. The next step continues with the connection after the last. */
const SLICE_MS = 1;
/** Closes of one turn, as in `CloseSchedule`. */
const CLOSES_PER_TURN = 4;
/** Leases with unfinished work that are named in the log. */
const MAX_NAMES = 5;
const MAX_NAME = 40;

/** One connection that the drain has reached. */
interface Wait {
  endsAt: number;
  isSuspended: boolean;
  /** `bytesTaken` once all replies are flushed; `NEVER` until the work is done. */
  flushedAt: number;
}

/**
 * The connections that a drain has reached, for whose work it waits. The path of a message reports no end of work, so each step of the drain
 * checks some of them, in turn.
 */
export class WorkWaits {
  readonly #waits = new Map<Connection, Wait>();
  #next: Iterator<[Connection, Wait]> = this.#waits.entries();
  /** Unfinished work by its name. */
  readonly #unfinished = new Map<string, number>();

  /** @param close Closes a connection as the drain does. */
  constructor(
    private readonly node: NodeState,
    private readonly inbound: InboundPolicy,
    private readonly close: (connection: Connection) => void,
  ) {}

  /**
   * The drain has reached a connection: closes it, at once or when its work is done.
   * @param timeoutMs Time for its work; 0 waits for none.
   */
  reach(connection: Connection, timeoutMs: number): void {
    if (connection.closing !== null || connection.ended) return this.close(connection);
    const wait = { endsAt: this.#now + timeoutMs, isSuspended: false, flushedAt: NEVER };
    this.#set(connection, wait);
    // Its listeners are code of the application, which may announce work, close the connection or abort the drain.
    connection.lifetime?.reached();
    if (!this.#waits.has(connection)) return;
    if (timeoutMs > 0 && connection.closing === null && connection.hasWork) {
      connection.living.reached();
      return this.#limitInput(connection, wait);
    }
    this.#forget(connection);
    this.close(connection);
  }

  /** Checks some connections. Returns whether more may have to be closed in the next turn. */
  step(): boolean {
    const begun = this.#now;
    let closed = 0;
    for (let left = this.#waits.size; left > 0; left--) {
      const [connection, wait] = this.#following();
      if (this.#isOver(connection, wait)) {
        this.#forget(connection);
        this.close(connection);
        if (++closed === CLOSES_PER_TURN) return true;
        // The application may have aborted the drain.
        if (this.#waits.size === 0) return false;
      }
      if (this.#now - begun > SLICE_MS) return false;
    }
    return false;
  }

  /** No work has more time than this from now. */
  limit(timeoutMs: number): void {
    const endsAt = this.#now + timeoutMs;
    for (const wait of this.#waits.values()) wait.endsAt = Math.min(wait.endsAt, endsAt);
  }

  /** The drain was aborted: the connections serve again, and handle the messages that have arrived meanwhile. */
  resume(): void {
    const waits = [...this.#waits];
    this.clear();
    for (const [connection] of waits) {
      connection.lifetime?.resumed();
      this.inbound.resume(connection);
    }
  }

  /** The end of the drain ends the connections. */
  clear(): void {
    this.#waits.clear();
    this.node.drainWaiting = 0;
  }

  /** The work that was not finished in time, for the log: `"answer" (2), handlers (1)`; an empty text without any. */
  get unfinished(): string {
    return [...this.#unfinished].map(([name, count]) => `${name} (${count})`).join(', ');
  }

  get #now(): number {
    return this.node.clock.now();
  }

  /** The connection after the last one, or the first. */
  #following(): [Connection, Wait] {
    const next = this.#next.next();
    if (next.done !== true) return next.value;
    this.#next = this.#waits.entries();
    return this.#next.next().value as [Connection, Wait];
  }

  /** Whether a connection must be waited for no longer. */
  #isOver(connection: Connection, wait: Wait): boolean {
    if (connection.closing !== null || connection.ended) return true;
    const hasWork = connection.hasWork;
    if (!hasWork && this.#isFlushed(connection, wait)) return true;
    if (this.#now >= wait.endsAt) {
      this.#noteUnfinished(connection);
      return true;
    }
    if (hasWork) wait.flushedAt = NEVER;
    this.#limitInput(connection, wait);
    return false;
  }

  /** Whether all bytes that waited when the work was done have been taken. */
  #isFlushed({ channel }: Connection, wait: Wait): boolean {
    if (wait.flushedAt === NEVER) wait.flushedAt = channel.bytesTaken + channel.bytesWaiting;
    return channel.bytesWaiting === 0 || channel.bytesTaken >= wait.flushedAt;
  }

  /** Further messages begin only under a lease that receives. */
  #limitInput(connection: Connection, wait: Wait): void {
    const receives = connection.lifetime?.leases?.receive(this.#now) === true;
    if (wait.isSuspended !== receives) return;
    wait.isSuspended = !receives;
    if (receives) this.inbound.resume(connection);
    else this.inbound.suspend(connection);
  }

  #noteUnfinished(connection: Connection): void {
    this.node.totals.drainWorkTimeouts++;
    const what = connection.lifetime?.leases?.first(this.#now);
    if (what !== undefined) return this.#count(`"${printable(what, MAX_NAME)}"`);
    this.#count(this.inbound.hasBegun(connection) ? 'handlers' : 'replies');
  }

  #count(work: string): void {
    const leases = [...this.#unfinished.keys()].filter(name => name.startsWith('"'));
    const isNamed = !work.startsWith('"') || leases.length < MAX_NAMES || leases.includes(work);
    const name = isNamed ? work : 'other leases';
    this.#unfinished.set(name, (this.#unfinished.get(name) ?? 0) + 1);
  }

  #set(connection: Connection, wait: Wait): void {
    this.#waits.set(connection, wait);
    this.node.drainWaiting = this.#waits.size;
  }

  #forget(connection: Connection): void {
    this.#waits.delete(connection);
    this.node.drainWaiting = this.#waits.size;
  }
}
