import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** The effect of heartbeats on other work: how long the loop is blocked, and how long an echo takes meanwhile. */
export const latency: StagedMeasure = {
  name: 'latency',
  stage: 'connected',
  finds: 'longest stall of the loop, and echo times of 20 connections, during heartbeats',
  servers: ['ws', 'ws-recipe', 'ws-spread', 'nest', 'nest-recipe', 'socket-io', 'nest-io', 'heartbeat', 'heartbeat-io'],
  async take({ server, plan, addClients }) {
    const asking = addClients(plan.echoConnections);
    await asking.open();
    // The first echoes of a server are slow, since nothing of it was compiled: that is no matter of heartbeats.
    await asking.probe(plan.echoEveryMs);
    await sleep(plan.windowMs);
    await asking.echoTimes();
    // Outstanding echoes are answered before the next is requested.
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
