import type { StagedMeasure } from './measure.js';

/** What it costs to let one in. The heartbeats are far off, so that theirs is not counted with it. */
export const accept: StagedMeasure = {
  name: 'accept',
  stage: 'door',
  finds: 'CPU for each accepted connection, and what is left of their memory when they have gone',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat', 'heartbeat-users'],
  async take({ server, crowd, plan, before }) {
    const { cpuMs } = await server.ask('sample');
    await crowd.open();
    const opened = await server.ask('sample');
    await crowd.leave();
    const after = await server.ask('collect');
    return {
      accept: ((opened.cpuMs - cpuMs) * 1000) / plan.connections,
      departure: (after.heapBytes / before.heapBytes - 1) * 100,
    };
  },
};
