import type { StagedMeasure } from './measure.js';

/** All clients are connected and have been pinged, so all objects of a living connection exist. */
export const heap: StagedMeasure = {
  name: 'heap',
  stage: 'connected',
  finds: 'heap and resident memory for each connection that is idle',
  servers: [
    'ws',
    'ws-recipe',
    'nest',
    'nest-recipe',
    'socket-io',
    'nest-io',
    'heartbeat',
    'heartbeat-users',
    'heartbeat-io',
  ],
  async take({ server, plan, before }) {
    const full = await server.ask('collect');
    return {
      heap: (full.heapBytes - before.heapBytes) / plan.connections,
      resident: (full.residentBytes - before.residentBytes) / plan.connections,
    };
  },
};
