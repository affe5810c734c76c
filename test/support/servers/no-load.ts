import type { HeartbeatOptions } from 'nestjs-heartbeat';

/** Options of a server whose tests are about something else than load: other programs of a busy machine change nothing then. */
export const NO_LOAD = {
  source: { eventLoop: false, heap: false, memory: false, cpu: false },
} as const satisfies HeartbeatOptions['load'];
