import { z } from 'zod';

import { filterFromWire } from '../connection/listing/filter-codec.js';
import type { AttributeFilter } from '../connection/listing/attribute-filter.js';
import { EVENT_TYPES, type EventType } from './event-types.js';
import { MAX_TEXT } from './event-text.js';

/** The events that one stream requests of a node. */
export interface EventSelection {
  readonly types: readonly EventType[];
  readonly filter: AttributeFilter;
}

/** Maximum of events on a page, and of the characters of their texts; a page has at least one event where there is one. */
export const MAX_PAGE_EVENTS = 200;
export const MAX_PAGE_CHARACTERS = 65_536;

const seq = z.number().int().min(0);
/** The number, the type and the text of an event. Types of a newer node are unknown here. A text is one line. */
const event = z.tuple([
  seq,
  z.string().regex(/^[a-z][a-z-]{0,39}$/),
  z
    .string()
    .max(2 * MAX_TEXT)
    .refine(text => !/[\r\n]/.test(text), 'must be one line'),
]);
export type PageEvent = readonly [seq: number, type: string, text: string];

/** The request for a page: the events of a node after a number. */
export const EVENT_PAGE = {
  request: z.object({
    types: z.array(z.enum(EVENT_TYPES)).max(100),
    filter: filterFromWire,
    after: seq.nullable(),
  }),
  reply: z.object({
    events: z.array(event).max(MAX_PAGE_EVENTS),
    next: seq,
    missing: z.tuple([seq, seq]).nullable(),
    hasEnded: z.boolean(),
  }),
};

export interface EventPage {
  readonly events: readonly PageEvent[];
  /** The number after which the next page begins. */
  readonly next: number;
  /** The first and the last number of events that are no longer known, before `events`. */
  readonly missing: readonly [from: number, to: number] | null;
  /** Whether the node ends, and this is the last page. */
  readonly hasEnded: boolean;
}
