import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** What others notice of the heartbeats: how long the loop is held, and how long an echo takes meanwhile. */
export const latency: StagedMeasure = {
  name: 'latency',
  stage: 'crowd',
  finds: 'longest stall of the loop, and echo times of 20 connections, during heartbeats',
  servers: ['ws', 'ws-recipe', 'ws-spread', 'nest', 'nest-recipe', 'socket-io', 'heartbeat'],
  async take({ server, plan, hire }) {
    const asking = hire(plan.echoConnections);
    await asking.open();
    // The first echoes of a server are slow, since nothing of it was compiled: that is no matter of heartbeats.
    await asking.probe(plan.echoEveryMs);
    await sleep(plan.windowMs);
    await asking.echoTimes();
    // What is still under way is answered before the next is asked for.
    await sleep(plan.restMs);
    await server.ask('watchLoop');
    await asking.probe(plan.echoEveryMs);
    await sleep(plan.windowMs);
    const times = await asking.echoTimes();
    const stall = await server.ask('longestStall');
    await asking.leave();
    await asking.end();
    const { p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = times;
    return { stall, echoP50: p50Ms, echoP90: p90Ms, echoP99: p99Ms, echoP999: p999Ms, echoMax: maxMs };
  },
};
