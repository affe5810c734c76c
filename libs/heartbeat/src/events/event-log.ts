import { Injectable } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { HeartbeatEvents, type HeartbeatEvent } from '../connection/heartbeat.events.js';
import { ConnectionService } from '../connection/connection.service.js';
import {
  type AttributePredicate,
  attributePredicates,
  type Attributes,
} from '../connection/listing/attribute-filter.js';
import { NodeState } from '../node/node-state.js';
import { EventHistory } from './event-history.js';
import {
  type EventPage,
  type EventSelection,
  MAX_PAGE_CHARACTERS,
  MAX_PAGE_EVENTS,
  type PageEvent,
} from './event-page.js';
import { attributesOf, textOf } from './event-text.js';
import { historyOf, type HistoryName, typesOf } from './event-types.js';

const BOUNDS: Readonly<
  Record<HistoryName, { readonly events: number; readonly bytes: number; readonly keepMs: number }>
> = {
  notable: { events: 20_000, bytes: 8 * 1024 * 1024, keepMs: 300_000 },
  heartbeats: { events: 5000, bytes: 2 * 1024 * 1024, keepMs: 30_000 },
};
/** Maximum of events that one page compares with its filter. */
const MAX_SCAN = 2000;
/** Time from an event to the page that has it, so that a page has several events. */
const BATCH_MS = 200;

/** A history that is being written. */
interface Recording {
  readonly history: EventHistory;
  readonly subscription: Subscription;
  usedAt: number;
}

/**
 * The last events of this node, for streams here and at other nodes. It subscribes to events at the first request for them, and stops some
 * minutes after the last one: without a stream, events cost nothing and no memory is held. A stream is a position in the log, so a slow
 * reader holds no memory either, and after an interruption it continues where it was.
 */
@Injectable()
export class EventLog {
  readonly #recordings = new Map<HistoryName, Recording>();
  readonly #waiting = new Set<() => void>();
  #batch: NodeJS.Timeout | null = null;
  #endChecks: (() => void) | null = null;
  #hasEnded = false;

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    private readonly connections: ConnectionService,
  ) {}

  /**
   * The events after a number; without one, the position of the next event. A page may have no event although later ones match: the last
   * page is the one whose `next` is that of the page before.
   */
  read({ types, filter, after }: EventSelection & { readonly after: number | null }): EventPage {
    const histories = [...new Set(types.map(historyOf))].map(name => this.#historyOf(name));
    const last = this.events.lastSeq;
    if (after === null) return { events: [], next: last, missing: null, hasEnded: this.#hasEnded };
    const completeFrom = Math.max(...histories.map(({ completeFrom: from }) => from), after > last ? last : 0);
    const missing = after < completeFrom || after > last ? ([Math.min(after, last) + 1, completeFrom] as const) : null;
    const from = missing === null ? after : completeFrom;
    const page = pageOf(histories, { types, matches: matcherOf(filter), from, last });
    return { ...page, missing, hasEnded: this.#hasEnded && page.next === last };
  }

  /** The same, but waits up to `waitMs` for an event that matches. */
  async poll(request: EventSelection & { readonly after: number | null }, waitMs: number): Promise<EventPage> {
    let page = this.read(request);
    if (request.after === null) return page;
    const deadline = this.#deadline(waitMs);
    let { after } = request;
    while (page.events.length === 0 && page.missing === null && !this.#hasEnded && !deadline.hasPassed) {
      await (page.next > after ? new Promise<void>(resolve => setImmediate(resolve)) : deadline.more());
      after = page.next;
      page = this.read({ ...request, after });
    }
    deadline.clear();
    return page;
  }

  /** Ends the log: answers all waiting pages at once. What it has can still be read. */
  close(): void {
    this.#hasEnded = true;
    for (const { subscription } of this.#recordings.values()) subscription.unsubscribe();
    this.#endChecks?.();
    this.#wake();
  }

  #historyOf(name: HistoryName): EventHistory {
    const now = this.node.clock.now();
    const known = this.#recordings.get(name);
    if (known !== undefined) {
      known.usedAt = now;
      return known.history;
    }
    const history = new EventHistory(this.events.mark(), BOUNDS[name]);
    if (this.#hasEnded) return history;
    const subscription = this.events.ofType(...typesOf(name)).subscribe(event => this.#add(history, event));
    this.#recordings.set(name, { history, subscription, usedAt: now });
    this.#endChecks ??= this.node.seconds.every(() => this.#stopUnused());
    return history;
  }

  #add(history: EventHistory, event: HeartbeatEvent): void {
    const attributes = attributesOf(event, id => this.#attributesOf(id));
    history.add({ seq: event.seq, type: event.type, text: textOf(event, this.node.id), attributes });
    if (this.#waiting.size > 0) this.#batch ??= setTimeout(() => this.#wake(), BATCH_MS).unref();
  }

  #attributesOf(id: string): Attributes | undefined {
    return this.connections.get(id);
  }

  #wake(): void {
    if (this.#batch !== null) clearTimeout(this.#batch);
    this.#batch = null;
    for (const resume of this.#waiting) resume();
  }

  #stopUnused(): void {
    const now = this.node.clock.now();
    for (const [name, { usedAt }] of this.#recordings) if (now - usedAt > BOUNDS[name].keepMs) this.#stop(name);
  }

  #stop(name: HistoryName): void {
    this.#recordings.get(name)?.subscription.unsubscribe();
    this.#recordings.delete(name);
    if (this.#recordings.size > 0) return;
    this.#endChecks?.();
    this.#endChecks = null;
  }

  /** One timer for all waits of a page. */
  #deadline(waitMs: number) {
    let resume: (() => void) | null = null;
    const deadline = {
      hasPassed: false,
      more: () =>
        new Promise<void>(resolve => {
          const done = () => {
            this.#waiting.delete(done);
            resolve();
          };
          this.#waiting.add((resume = done));
        }),
      clear: () => clearTimeout(timer),
    };
    const timer = setTimeout(() => {
      deadline.hasPassed = true;
      resume?.();
    }, waitMs).unref();
    return deadline;
  }
}

function matcherOf(filter: EventSelection['filter']): AttributePredicate {
  const checks = attributePredicates(filter);
  return attributes => checks.every(check => check(attributes));
}

interface Scan {
  readonly types: EventSelection['types'];
  readonly matches: AttributePredicate;
  readonly from: number;
  readonly last: number;
}

function pageOf(
  histories: readonly EventHistory[],
  { types, matches, from, last }: Scan,
): Pick<EventPage, 'events' | 'next'> {
  const wanted = new Set(types);
  const events: PageEvent[] = [];
  let [characters, scanned, next] = [0, 0, from];
  for (const { seq, type, text, attributes } of inOrder(histories, from)) {
    const isWanted = wanted.has(type) && matches(attributes);
    if (isWanted && events.length > 0 && characters + text.length > MAX_PAGE_CHARACTERS) return { events, next };
    next = seq;
    if (isWanted) events.push([seq, type, text]);
    if (isWanted) characters += text.length;
    if (events.length === MAX_PAGE_EVENTS || ++scanned === MAX_SCAN) return { events, next };
  }
  return { events, next: Math.max(last, from) };
}

/** The events of all histories after a number, in the order of their numbers. */
function* inOrder(histories: readonly EventHistory[], from: number) {
  const heads = histories.map(history => {
    const events = history.after(from);
    return { events, head: events.next() };
  });
  for (;;) {
    let first: (typeof heads)[number] | null = null;
    for (const each of heads) {
      if (each.head.done !== true && (first?.head.value === undefined || each.head.value.seq < first.head.value.seq))
        first = each;
    }
    if (first === null || first.head.done === true) return;
    yield first.head.value;
    first.head = first.events.next();
  }
}
