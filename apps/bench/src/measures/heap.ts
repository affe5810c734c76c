import type { StagedMeasure } from './measure.js';

/** Everybody is in and has been pinged, so all that a living connection ever needs is there. */
export const heap: StagedMeasure = {
  name: 'heap',
  stage: 'crowd',
  finds: 'heap and resident memory for each connection that is idle',
  servers: ['ws', 'ws-recipe', 'nest', 'nest-recipe', 'socket-io', 'heartbeat', 'heartbeat-users'],
  async take({ server, plan, before }) {
    const full = await server.ask('collect');
    return {
      heap: (full.heapBytes - before.heapBytes) / plan.connections,
      resident: (full.residentBytes - before.residentBytes) / plan.connections,
    };
  },
};
