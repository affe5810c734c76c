import { Injectable } from '@nestjs/common';
import type { z } from 'zod';

import { filterOnWire } from '../connection/listing/filter-codec.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { NodeState } from '../node/node-state.js';
import { EventLog } from './event-log.js';
import { EVENT_PAGE, type EventPage, type EventSelection } from './event-page.js';

/** Time for which a node holds a request without an event, and the time for the reply. */
const HOLD_MS = 2000;
const REPLY_MS = 1500;
/** Maximum of requests of other nodes that are held. */
const MAX_HELD = 1000;

type PageRequest = EventSelection & { readonly after: number | null };

/**
 * Pages of events of any node. A node holds a request until it has events, so a quiet node is asked every two seconds, and a stream whose
 * node dies leaves nothing behind. Streams with the same filter at the same position share one request.
 */
@Injectable()
export class EventPolls {
  readonly #pending = new Map<string, Promise<EventPage | null>>();
  readonly #page;
  #held = 0;

  constructor(
    private readonly node: NodeState,
    private readonly log: EventLog,
    requests: NodeRequests,
  ) {
    const schemas = { ...EVENT_PAGE, timeoutMs: HOLD_MS + REPLY_MS };
    this.#page = requests.handle('events', schemas, request => this.#own(request));
  }

  /** The next page of a node; null without a reply in time. */
  read(nodeId: string, request: PageRequest): Promise<EventPage | null> {
    const key = JSON.stringify([nodeId, request.after, request.types, filterOnWire(request.filter)]);
    const pending = this.#pending.get(key) ?? this.#read(nodeId, request);
    this.#pending.set(key, pending);
    void pending.then(() => this.#pending.get(key) === pending && this.#pending.delete(key));
    return pending;
  }

  /** Lets later reads send requests of their own: those that are pending are lost with Redis. */
  forget(): void {
    this.#pending.clear();
  }

  async #read(nodeId: string, request: PageRequest): Promise<EventPage | null> {
    if (nodeId === this.node.id) return this.log.poll(request, HOLD_MS);
    const { types, filter, after } = request;
    const outcomes = await this.#page.send([nodeId], { types: [...types], filter: filterOnWire(filter), after });
    const outcome = outcomes.get(nodeId);
    return outcome?.status === 'ok' ? outcome.body : null;
  }

  /** An error is an outcome at the other node, which then waits for a second. */
  async #own(request: PageRequest): Promise<z.output<typeof EVENT_PAGE.reply>> {
    if (this.#held >= MAX_HELD) throw new Error('too many event streams of other nodes');
    this.#held++;
    try {
      const { events, missing, ...page } = await this.log.poll(request, HOLD_MS);
      return { ...page, events: events.map(([...each]) => each), missing: missing && [...missing] };
    } finally {
      this.#held--;
    }
  }
}
