import type { EventPayload, HeartbeatEvent } from '../../../libs/heartbeat/src/connection/heartbeat.events.js';

/** An event without the number and the time of its publication, for tests of what is announced. */
export function unstamped({ seq: _seq, at: _at, ...payload }: HeartbeatEvent): EventPayload {
  return payload;
}
