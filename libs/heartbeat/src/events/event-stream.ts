import type { ServerResponse } from 'node:http';

import type { EventPage, EventSelection } from './event-page.js';
import { COMMENT, frame, retryAfter } from './event-frames.js';
import { type Source, sourceOf } from './event-source.js';
import { bootOf, type EventPositions, MAX_POSITIONS, positionText } from './event-position.js';

/** The part of a response that a stream uses. */
export type StreamResponse = Pick<ServerResponse, 'write' | 'end' | 'destroy' | 'on'>;

/** Requests a page of a node. Returns null without a reply in time. */
export type ReadPage = (
  nodeId: string,
  request: EventSelection & { readonly after: number | null },
) => Promise<EventPage | null>;

/** The nodes of the cluster at a moment. */
export interface NodesSeen {
  readonly ids: readonly string[];
  readonly isDegraded: boolean;
  /** Whether no other node can exist. */
  readonly isAlone: boolean;
  readonly now: number;
}

export interface StreamSettings {
  readonly response: StreamResponse;
  readonly selection: EventSelection;
  /** The node that serves the stream. */
  readonly ownId: string;
  readonly positions: EventPositions;
  readonly read: ReadPage;
  readonly now: number;
}

/** Time that a reader is advised to wait after an interruption. */
const RETRY_MS = 2000;
/** Time without an event after which a comment is sent. */
const COMMENT_MS = 15_000;
/** Time after which a reader that takes nothing is cut off. */
const STUCK_MS = 60_000;
/** Time without a lease, while Redis responds, after which a node counts as ended. A Redis that was emptied has all leases by then. */
const ABSENT_MS = 5000;
/** Time for a reader to take the end of the stream. */
const END_MS = 250;

/**
 * One stream of events to one reader. It has a position at each node and requests the next page of a node once the reader has taken the
 * pages before; so it holds at most one page of each node, however slow the reader is. Each event is sent once.
 */
export class EventStream {
  readonly #sources = new Map<string, Source>();
  #isOver = false;
  #isDegraded = false;
  /** Whether the reader has not taken what was written, and since when. */
  #isFull = false;
  #fullSince = 0;
  #wroteAt: number;
  #now: number;
  #lastStatus = '';
  readonly #resumed = new Set<() => void>();
  #ending: NodeJS.Timeout | null = null;

  constructor(private readonly given: StreamSettings) {
    const { response, positions, now } = given;
    this.#wroteAt = this.#now = now;
    for (const [boot, after] of positions) this.#sources.set(boot, sourceOf(boot, after));
    response.on('drain', () => {
      this.#isFull = false;
      this.#resume();
    });
    response.on('close', () => this.#close());
    response.on('error', () => response.destroy());
    this.#write(retryAfter(RETRY_MS));
  }

  get selection(): EventSelection {
    return this.given.selection;
  }

  /** Follows the nodes that are there, and no longer those that have ended. */
  update({ ids, isDegraded, isAlone, now }: NodesSeen): void {
    this.#now = now;
    this.#isDegraded = isDegraded;
    const present = new Set(ids.map(bootOf));
    for (const nodeId of ids) this.#follow(nodeId);
    for (const source of this.#sources.values()) {
      if (isDegraded && source.nodeId !== this.given.ownId) this.#suspend(source);
      else if (!present.has(source.boot)) this.#noteAbsence(source, isAlone ? 0 : ABSENT_MS);
    }
    this.#announce();
  }

  /** A node has announced its end. */
  left(nodeId: string): void {
    const source = this.#sources.get(bootOf(nodeId));
    if (source !== undefined) this.#remove(source);
    this.#announce();
  }

  /** To be called every second. */
  beat(now: number): void {
    this.#now = now;
    if (this.#isFull && now - this.#fullSince >= STUCK_MS) this.given.response.destroy();
    if (!this.#isFull && now - this.#wroteAt >= COMMENT_MS) this.#write(COMMENT);
    // Silent nodes are asked again.
    this.#resume();
  }

  /**
   * Ends the stream with the last events of this node, unless the reader is slow. A reader that does not read is cut off.
   * @param retryMs The time after which the reader should connect again.
   */
  end(last: (after: number) => EventPage, retryMs: number): void {
    if (this.#isOver) return;
    const own = this.#sources.get(bootOf(this.given.ownId));
    if (own !== undefined && own.after !== null) this.#sendAll(own, own.after, last);
    const { response } = this.given;
    response.write(retryAfter(retryMs));
    this.#isOver = true;
    this.#resume();
    response.end();
    this.#ending = setTimeout(() => response.destroy(), END_MS).unref();
  }

  #sendAll(source: Source, after: number, read: (after: number) => EventPage): void {
    const page = read(after);
    this.#send(source, page);
    if (page.next > after && !this.#isFull) this.#sendAll(source, page.next, read);
  }

  #close(): void {
    this.#isOver = true;
    if (this.#ending !== null) clearTimeout(this.#ending);
    this.#resume();
  }

  #follow(nodeId: string): void {
    const boot = bootOf(nodeId);
    const source = this.#sources.get(boot) ?? sourceOf(boot, null);
    this.#sources.set(boot, source);
    source.nodeId = nodeId;
    source.absentSince = null;
    if (source.run === null && !source.hasEnded) void this.#run(source, nodeId, (source.run = {}));
  }

  #suspend(source: Source): void {
    source.run = null;
    source.status = 'timeout';
    source.absentSince = null;
  }

  #noteAbsence(source: Source, toleratedMs: number): void {
    source.absentSince ??= this.#now;
    if (source.hasEnded || this.#now - source.absentSince >= toleratedMs) this.#remove(source);
  }

  /** Reads one source until it ends, is suspended, or the stream is over. */
  async #run(source: Source, nodeId: string, run: object): Promise<void> {
    const isCurrent = () => source.run === run && !this.#isOver;
    while (isCurrent()) {
      const page = await this.given.read(nodeId, { ...this.given.selection, after: source.after });
      while (this.#isFull && isCurrent()) await this.#next();
      if (!isCurrent()) return;
      source.status = page === null ? 'timeout' : 'ok';
      if (page !== null) this.#send(source, page);
      this.#announce();
      if (page === null) await this.#next();
      if (page?.hasEnded === true) source.run = null;
    }
  }

  #send(source: Source, { events, next, missing, hasEnded }: EventPage): void {
    if (missing !== null) {
      const [from, to] = missing;
      this.#gap(source, { from, to, reason: 'overwritten' });
    }
    const others = this.#ids(source);
    const frames = events.map(([seq, type, text]) => frame(type, `${others}${positionText(source.boot, seq)}`, text));
    source.after = next;
    source.hasEnded = hasEnded;
    if (frames.length > 0) this.#write(frames.join(''));
  }

  /** Ends a source. Where its last events are unknown, a gap has no end. */
  #remove(source: Source): void {
    this.#sources.delete(source.boot);
    source.run = null;
    if (!source.hasEnded && source.after !== null)
      this.#gap(source, { from: source.after + 1, to: null, reason: 'ended' });
  }

  #gap(
    source: Source,
    { from, to, reason }: { from: number; to: number | null; reason: 'overwritten' | 'ended' },
  ): void {
    if (to !== null) source.after = to;
    const data = { type: 'gap', node: source.nodeId, boot: source.boot, from, to, reason };
    this.#write(frame('gap', this.#ids(), JSON.stringify(data)));
  }

  /** Sends the state of the nodes where it has changed, once each of them has replied or failed to. */
  #announce(): void {
    const followed = [...this.#sources.values()].filter(({ nodeId, hasEnded }) => nodeId !== null && !hasEnded);
    if (this.#isOver || this.#isFull || followed.some(({ status }) => status === null)) return;
    const nodes = followed.map(({ nodeId, status }) => ({ id: nodeId, status }));
    const status = JSON.stringify({ type: 'status', nodes, ...(this.#isDegraded && { degraded: true }) });
    if (status === this.#lastStatus) return;
    this.#lastStatus = status;
    this.#write(frame('status', this.#ids(), status));
  }

  /** The positions of all sources as text; without one source, with a comma behind them. */
  #ids(without?: Source): string {
    const known = [...this.#sources.values()].filter(each => each !== without && each.after !== null && !each.hasEnded);
    const texts = known.slice(0, MAX_POSITIONS - 1).map(({ boot, after }) => positionText(boot, after!));
    return without === undefined ? texts.join(',') : texts.map(text => `${text},`).join('');
  }

  #write(text: string): void {
    this.#wroteAt = this.#now;
    if (this.given.response.write(text)) return;
    if (!this.#isFull) this.#fullSince = this.#now;
    this.#isFull = true;
  }

  /** Resolves when the reader has taken all, at the next beat, or at the end. */
  #next(): Promise<void> {
    return this.#isOver ? Promise.resolve() : new Promise(resolve => this.#resumed.add(resolve));
  }

  #resume(): void {
    for (const resolve of this.#resumed) resolve();
    this.#resumed.clear();
  }
}
