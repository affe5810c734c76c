import { CLOSED, CLOSED_DETAIL } from '../../../libs/heartbeat/src/cluster/closed-connections.js';
import { KICK, KICK_ALL } from '../../../libs/heartbeat/src/cluster/cluster-kicks.js';
import { DETAIL } from '../../../libs/heartbeat/src/cluster/cluster.service.js';
import { deliver } from '../../../libs/heartbeat/src/cluster/deliveries.js';
import { KEYS, LIST, ROWS } from '../../../libs/heartbeat/src/cluster/list-requests.js';
import { bansChanged } from '../../../libs/heartbeat/src/cluster/shared-bans.js';
import { replace } from '../../../libs/heartbeat/src/cluster/shared-slots.js';
import { DRAIN_ABORT, DRAIN_PLAN, DRAIN_START } from '../../../libs/heartbeat/src/drain/node-drains.js';
import { HEAP_SNAPSHOT } from '../../../libs/heartbeat/src/diagnosis/heap-snapshot.service.js';
import { DOCTOR } from '../../../libs/heartbeat/src/doctor/doctor.service.js';
import { EVENT_PAGE } from '../../../libs/heartbeat/src/events/event-page.js';
import { left } from '../../../libs/heartbeat/src/messaging/node-directory.js';
import { reply, request } from '../../../libs/heartbeat/src/messaging/node-requests.js';
import { decode, type WireMessage } from '../../../libs/heartbeat/src/messaging/wire.js';

/** The requests of this version, by their names. */
const REQUESTS = {
  list: LIST,
  keys: KEYS,
  rows: ROWS,
  detail: DETAIL,
  kick: KICK,
  'kick-all': KICK_ALL,
  closed: CLOSED,
  'closed-detail': CLOSED_DETAIL,
  doctor: DOCTOR,
  'heap-snapshot': HEAP_SNAPSHOT,
  events: EVENT_PAGE,
  'drain-plan': DRAIN_PLAN,
  'drain-start': DRAIN_START,
  'drain-abort': DRAIN_ABORT,
};
/** The kinds of messages of this version, by their names. */
const KINDS = { request, reply, deliver, replace, bans: bansChanged, left };

/** A message as a node reads it; null for a text that is none. */
export function readMessage(text: string): WireMessage | null {
  const message = decode(text);
  const schema = Object.entries(KINDS).find(([kind]) => kind === message?.kind)?.[1];
  return schema?.safeParse(message).success ? message : null;
}

/** The body of a request as its handler receives it; null for an unknown operation, and for a body that does not fit. */
export function readRequest({ operation, body }: WireMessage): unknown {
  const schemas = Object.entries(REQUESTS).find(([name]) => name === operation)?.[1];
  return schemas?.request.safeParse(body).data ?? null;
}
