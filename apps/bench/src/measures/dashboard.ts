import { setTimeout as sleep } from 'node:timers/promises';
import { quietMeanOf } from '../readings.js';
import { VIEWER_TOKEN } from '../server/bench-server.js';
import type { Scene, StagedMeasure } from './measure.js';

/** A dashboard reads the newest seconds once a second, and the first page of the list every five. */
const STATS_EVERY_MS = 1000;
const LIST_EVERY_MS = 5000;
/** Windows without and with a dashboard, in turns. */
const TURNS = 3;

/** The CPU that one open dashboard adds: its charts, its list and its event stream. */
export const dashboard: StagedMeasure = {
  name: 'dashboard',
  stage: 'connected',
  finds: 'CPU of one open dashboard: statistics, list and event stream',
  servers: ['heartbeat'],
  async take(scene) {
    const without: number[] = [];
    const open: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      without.push(await shareOfCore(scene));
      const close = await openDashboard(scene.port);
      open.push(await shareOfCore(scene));
      await close();
    }
    return { dashboardCpu: Math.max(0, quietMeanOf(open) - quietMeanOf(without)) };
  },
};

async function shareOfCore({ server, plan }: Scene): Promise<number> {
  const [from, begun] = [await server.ask('sample'), performance.now()];
  await sleep(plan.windowMs);
  const [to, ended] = [await server.ask('sample'), performance.now()];
  return ((to.cpuMs - from.cpuMs) / (ended - begun)) * 100;
}

/** Opens a dashboard, whose first request is for the whole range. Returns the function that closes it. */
async function openDashboard(port: number): Promise<() => Promise<void>> {
  const ended = new AbortController();
  const get = async (path: string): Promise<Response> => {
    const headers = { authorization: `Bearer ${VIEWER_TOKEN}` };
    const response = await fetch(`http://127.0.0.1:${port}/admin/${path}`, { headers, signal: ended.signal });
    if (!response.ok) throw new Error(`GET ${path} was answered ${response.status}`);
    return response;
  };
  const read = async (path: string): Promise<string> => (await get(path)).text();
  const repeat = async (path: string, everyMs: number): Promise<void> => {
    for (let next = performance.now(); !ended.signal.aborted; next += everyMs) {
      await read(path);
      await sleep(Math.max(0, next + everyMs - performance.now()), undefined, { signal: ended.signal });
    }
  };
  await read('stats');
  const stream = (await get('events')).body!.pipeTo(new WritableStream());
  const work = [stream, repeat('stats?sinceMs=10000', STATS_EVERY_MS), repeat('connections', LIST_EVERY_MS)];
  const failed = Promise.all(work).catch((error: unknown) => error);
  return async () => {
    const isOpen = Symbol('open');
    const outcome = await Promise.race([failed, Promise.resolve(isOpen)]);
    if (outcome !== isOpen) throw outcome;
    ended.abort();
    await failed;
  };
}
