import { z } from 'zod';

import {
  addressParameter,
  gatherLabels,
  labelParameters,
  LABELS,
  pathParameter,
  text,
  transportParameter,
  userParameter,
} from '../http/connection-parameters.js';
import { markRead, parameter, parameters } from '../http/query-parameter.js';
import { type EventPositions, MAX_POSITIONS, positionsOf } from './event-position.js';
import { EVENT_TYPES, type EventType, historyOf } from './event-types.js';
import type { StreamRequest } from './event-streams.js';

const TYPES_RULE = `must be a list of event types, separated by commas: ${EVENT_TYPES.join(', ')}`;
export const POSITION_RULE = `must be the id of an event of this stream, with at most ${MAX_POSITIONS} nodes: leave it out to begin with the next event`;

/** Filters of the list by values that change all the time. An event has the attributes of its connection only. */
const MOMENTARY = ['state', 'minIdleMs', 'minAgeMs', 'minRttMs', 'minBufferedBytes'] as const;
const MOMENTARY_RULE =
  'selects connections by a value that changes all the time, so it is a filter of the list only: leave it out, and compare the fields of the events';

const isType = (given: string): given is EventType => (EVENT_TYPES as readonly string[]).includes(given);
const types = parameter(z.string().refine(given => given.split(',').every(isType), TYPES_RULE));
const position = parameter(z.string().refine(given => positionsOf(given) !== null, POSITION_RULE));

const events = parameters({
  types: types.optional().meta({
    description: `Types of events, separated by commas: ${EVENT_TYPES.join(', ')}. Default: all except \`ping\` and \`pong\`.`,
  }),
  user: userParameter(),
  ip: addressParameter(),
  path: pathParameter(),
  node: text("A node's id or name."),
  transport: transportParameter(),
  lastEventId: position.optional().meta({
    description: 'The id of the last event that was received, for readers that cannot send the header `Last-Event-ID`.',
  }),
  [LABELS]: labelParameters(),
});

/** The types of a stream that does not name any. */
const DEFAULT_TYPES: readonly EventType[] = EVENT_TYPES.filter(type => historyOf(type) === 'notable');

/** `GET events`. */
export const eventsQuery = z
  .preprocess((query, context) => refuseMomentary(gatherLabels(query), context), events)
  .transform((query): StreamRequest => {
    const { types: given, node, lastEventId, [LABELS]: labels, ...rest } = query;
    const filter = labels === undefined ? rest : { ...rest, labels };
    const selected = given === undefined ? DEFAULT_TYPES : EVENT_TYPES.filter(type => given.split(',').includes(type));
    const positions: EventPositions = (lastEventId !== undefined && positionsOf(lastEventId)) || new Map();
    return markRead({ types: selected, filter, node, positions });
  });

function refuseMomentary(query: unknown, context: z.RefinementCtx): unknown {
  const given = Object.entries(query ?? {});
  const refused = new Set<string>(MOMENTARY);
  for (const name of given.map(([key]) => key).filter(key => refused.has(key))) {
    context.addIssue({ code: 'custom', path: [name], message: MOMENTARY_RULE });
  }
  return Object.fromEntries(given.filter(([name]) => !refused.has(name)));
}
