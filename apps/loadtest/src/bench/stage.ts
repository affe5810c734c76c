import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchPlan } from './bench-plan.js';
import { Crowd } from './crowd.js';
import type { Figures } from './figures.js';
import type { StagedMeasure } from './measures/measure.js';
import { Remote } from './remote.js';
import { type ServerName, SERVERS } from './server/bench-server.js';
import type { Sample, ServerProcess } from './server/server-process.js';

export interface StageOrder {
  readonly plan: BenchPlan;
  readonly stage: StagedMeasure['stage'];
  readonly server: ServerName;
  readonly measures: readonly StagedMeasure[];
  readonly socketsPerProcess: number;
  /** Where the server writes a CPU profile; null where it does not. */
  readonly profileFolder: string | null;
}

export interface StageListener {
  say(what: string): void;
  /** After each measure, so that one that fails takes nothing with it that was found before. */
  found(figures: Figures): void;
}

/** No heartbeat comes within a stage. */
const FAR_OFF_MS = 600_000;
/** Measures that end connections. */
const LAST: ReadonlySet<string> = new Set(['detection', 'drain']);
const SCRAPE_EVERY_MS = 15_000;

/** Starts a server in a process of its own, takes the measures of one stage from it, and ends it. */
export async function runStage(order: StageOrder, { say, found }: StageListener): Promise<void> {
  const { plan, stage, measures, socketsPerProcess } = order;
  const { title, dialect } = SERVERS[order.server];
  const server = new Remote<ServerProcess>(title, new URL('./server/server-process.js', import.meta.url), [
    '--expose-gc',
    ...profileFlags(order),
  ]);
  const crowds: Crowd[] = [];
  let scrapes: NodeJS.Timeout | undefined;
  try {
    const intervalMs = stage === 'crowd' ? plan.intervalMs : FAR_OFF_MS;
    const port = await server.ask('start', { name: order.server, intervalMs, connections: plan.connections });
    const hire = (size: number): Crowd => {
      const crowd = new Crowd(dialect, port, size, socketsPerProcess);
      crowds.push(crowd);
      return crowd;
    };
    if (order.server.startsWith('heartbeat')) scrapes = setInterval(() => void scrape(port), SCRAPE_EVERY_MS);
    const crowd = hire(plan.connections);
    const before = await warmUp(crowd, server, plan);
    if (stage === 'crowd') {
      say('opening');
      await crowd.open();
      await sleep(plan.intervalMs * 1.3);
    }
    for (const measure of measures) {
      say(measure.name);
      found(await measure.take({ plan, name: order.server, port, server, crowd, before, hire }));
      const { open } = await crowd.counts();
      if (stage === 'crowd' && !LAST.has(measure.name) && open < plan.connections) {
        say(`${plan.connections - open} clients were lost by the end of ${measure.name}`);
      }
    }
  } finally {
    clearInterval(scrapes);
    await Promise.all([server.end(), ...crowds.map(crowd => crowd.end())]);
  }
}

/** What is compiled, cached and kept once for all is there before anything is counted. */
async function warmUp(crowd: Crowd, server: Remote<ServerProcess>, plan: BenchPlan): Promise<Sample> {
  await crowd.open(plan.warmUp);
  await crowd.leave();
  return server.ask('collect');
}

/** As Prometheus would: being watched belongs to what is switched on. A scrape that fails is no matter of the bench. */
async function scrape(port: number): Promise<void> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } catch {
    // The server is ending.
  }
}

function profileFlags({ profileFolder, server, stage }: StageOrder): string[] {
  if (profileFolder === null) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${server}-${stage}.cpuprofile`];
}
