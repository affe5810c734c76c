import { medianOf } from '../readings.js';
import type { StagedMeasure } from './measure.js';

/** One opening alone is up to a tenth off. */
const COMINGS = 3;

/** The cost of one admission, the median of some rounds. Heartbeats are far off, so that theirs is not counted with it. */
export const accept: StagedMeasure = {
  name: 'accept',
  stage: 'empty',
  finds: 'CPU for each accepted connection, and what is left of their memory when they have gone',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat', 'heartbeat-users'],
  async take({ server, clients, plan }) {
    // They come once before it counts: what the first coming left behind for good is no leak, and its code was compiled.
    await clients.open();
    await clients.leave();
    const before = await server.ask('collect');
    const costs: number[] = [];
    let after = before;
    for (let coming = 0; coming < COMINGS; coming++) {
      await clients.open();
      costs.push((await server.ask('sample')).cpuMs - after.cpuMs);
      await clients.leave();
      after = await server.ask('collect');
    }
    return {
      accept: (medianOf(costs) * 1000) / plan.connections,
      departure: (after.heapBytes / before.heapBytes - 1) * 100,
    };
  },
};
