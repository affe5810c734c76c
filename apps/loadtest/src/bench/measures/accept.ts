import type { StagedMeasure } from './measure.js';

/** What it costs to let one in. The heartbeats are far off, so that theirs is not counted with it. */
export const accept: StagedMeasure = {
  name: 'accept',
  stage: 'door',
  finds: 'CPU for each accepted connection, and what is left of their memory when they have gone',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat', 'heartbeat-users'],
  async take({ server, crowd, plan }) {
    // They come twice: what the first coming left behind for good is no leak, and its code was compiled.
    await crowd.open();
    await crowd.leave();
    const before = await server.ask('collect');
    await crowd.open();
    const opened = await server.ask('sample');
    await crowd.leave();
    const after = await server.ask('collect');
    return {
      accept: ((opened.cpuMs - before.cpuMs) * 1000) / plan.connections,
      departure: (after.heapBytes / before.heapBytes - 1) * 100,
    };
  },
};
