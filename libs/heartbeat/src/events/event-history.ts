import type { Attributes } from '../connection/listing/attribute-filter.js';
import type { EventType } from './event-types.js';

/** An event as a history keeps it. */
export interface KeptEvent {
  readonly seq: number;
  readonly type: EventType;
  /** The event as one line of JSON. */
  readonly text: string;
  readonly attributes: Attributes;
}

/** Approximate size of an event in memory beside its text. */
const OVERHEAD_BYTES = 300;
/** Removed events are cut off the list when they are this part of it. */
const CUT = 1 / 8;

/**
 * The last events of some types in the order of their numbers, bounded in number and bytes. It knows from which number on it is complete:
 * no event after `completeFrom` is missing.
 */
export class EventHistory {
  #events: KeptEvent[] = [];
  /** Events before this index are removed. */
  #first = 0;
  #bytes = 0;
  #completeFrom: number;

  /** @param after The history will be given all events after this number. */
  constructor(
    after: number,
    private readonly bounds: { readonly events: number; readonly bytes: number },
  ) {
    this.#completeFrom = after;
  }

  get completeFrom(): number {
    return this.#completeFrom;
  }

  get size(): number {
    return this.#events.length - this.#first;
  }

  /** A subscriber that causes an event has it published before the event that it handles: such events are put in order. */
  add(event: KeptEvent): void {
    const events = this.#events;
    let index = events.push(event) - 1;
    for (; index > this.#first && events[index - 1]!.seq > event.seq; index--) events[index] = events[index - 1]!;
    events[index] = event;
    this.#bytes += sizeOf(event);
    while (this.size > this.bounds.events || (this.#bytes > this.bounds.bytes && this.size > 0)) this.#removeFirst();
  }

  /** The events after a number, oldest first. Valid until the next `add`. */
  *after(seq: number): Generator<KeptEvent> {
    for (let index = this.#indexAfter(seq); index < this.#events.length; index++) yield this.#events[index]!;
  }

  #removeFirst(): void {
    const removed = this.#events[this.#first]!;
    this.#first++;
    this.#bytes -= sizeOf(removed);
    this.#completeFrom = removed.seq;
    if (this.#first < CUT * this.size) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  #indexAfter(seq: number): number {
    let [low, high] = [this.#first, this.#events.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function sizeOf({ text }: KeptEvent): number {
  return text.length + OVERHEAD_BYTES;
}
