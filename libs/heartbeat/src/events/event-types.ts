import type { HeartbeatEvent } from '../connection/heartbeat.events.js';

export type EventType = HeartbeatEvent['type'];

/**
 * The history that keeps events of a type. `heartbeats` are as frequent as all others together: they have a history of their own, and a
 * stream has them only where it requests them.
 */
export type HistoryName = 'notable' | 'heartbeats';

const HISTORY_OF: Readonly<Record<EventType, HistoryName>> = {
  opened: 'notable',
  identified: 'notable',
  refused: 'notable',
  ping: 'heartbeats',
  pong: 'heartbeats',
  missed: 'notable',
  'message-refused': 'notable',
  slow: 'notable',
  reaped: 'notable',
  kicked: 'notable',
  banned: 'notable',
  unbanned: 'notable',
  closed: 'notable',
  'drain-started': 'notable',
  'drain-taken-over': 'notable',
  'drain-progress': 'notable',
  'drain-ended': 'notable',
  'drain-aborted': 'notable',
  'load-changed': 'notable',
  'limits-changed': 'notable',
  drift: 'notable',
};

export const EVENT_TYPES = Object.keys(HISTORY_OF) as [EventType, ...EventType[]];

export function historyOf(type: EventType): HistoryName {
  return HISTORY_OF[type];
}

export function typesOf(history: HistoryName): EventType[] {
  return EVENT_TYPES.filter(type => HISTORY_OF[type] === history);
}
