import type { BenchPlan } from './bench-plan.js';
import type { Figures } from './figures.js';
import type { Measure, Scene, StagedMeasure } from './measures/measure.js';
import { Readings } from './readings.js';
import { SERVER_NAMES, type ServerName, SERVERS } from './server/bench-server.js';
import { Stage, type StageOrder } from './stage.js';

export interface BenchOrder {
  readonly plan: BenchPlan;
  readonly measures: readonly Measure[];
  readonly servers: readonly ServerName[];
  readonly socketsPerProcess: number;
  /** Where servers write their CPU profiles; null where they do not. */
  readonly profileFolder: string | null;
}

export interface BenchListener {
  say(what: string): void;
  /** After each round, so that a run that is broken off has shown what it found. */
  roundEnded(readings: Readings): void;
}

export interface BenchRun {
  readonly readings: Readings;
  /** A figure that could not be measured, and the reason. */
  readonly failures: readonly string[];
}

/** Measures that begin and end together, and fail by themselves. */
interface Part {
  readonly title: string;
  take(listener: PartListener): Promise<void>;
}

interface PartListener {
  say(what: string): void;
  /** After each measure, so that one that fails takes nothing with it that was found before. */
  found(server: ServerName, figures: Figures): void;
}

/** Measures that end connections. */
const LAST: ReadonlySet<string> = new Set(['stalls', 'detection', 'drain']);

/**
 * Every round asks every server in turn, so that other work of the machine affects all of them. A failure is reported,
 * and the rest continues.
 */
export async function runBench(order: BenchOrder, { say, roundEnded }: BenchListener): Promise<BenchRun> {
  const readings = new Readings();
  const failures: string[] = [];
  const { rounds } = order.plan;
  const parts = [
    ...partsInTurn(order, 'empty'),
    ...partsInTurn(order, 'resting'),
    ...partsInTurn(order, 'connected'),
    ...jointParts(order),
    ...loneParts(order),
  ];
  for (let round = 0; round < rounds; round += 1) {
    for (const { title, take } of parts) {
      const where = `round ${round + 1} of ${rounds}, ${title}`;
      try {
        await take({
          say: what => say(`${where}: ${what}`),
          found: (server, figures) => readings.add(round, server, figures),
        });
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failures.push(`${where}: ${why}`);
        say(`${where}: failed: ${why}`);
      }
    }
    roundEnded(readings);
  }
  return { readings, failures };
}

/** One server after the other, each with all measures of the stage. */
function partsInTurn(order: BenchOrder, stage: StagedMeasure['stage']): Part[] {
  const measures = order.measures.filter((one): one is StagedMeasure => one.stage === stage);
  return serversOf(order, measures).map(server => ({
    title: SERVERS[server].title,
    take: listener =>
      withScenes({ ...order, stage }, [server], listener.say, async scenes => {
        for (const scene of scenes) await takeEach(scene, measures, listener);
      }),
  }));
}

async function takeEach(scene: Scene, measures: readonly StagedMeasure[], { say, found }: PartListener): Promise<void> {
  const { name } = scene;
  for (const measure of measures.filter(one => one.servers.includes(name))) {
    say(measure.name);
    found(name, await measure.take(scene));
    if (measure.stage === 'connected' && !LAST.has(measure.name)) await tellLost(scene, measure, say);
  }
}

/** Figures of fewer clients than planned are too good. */
async function tellLost({ name, clients, plan }: Scene, measure: Measure, say: (what: string) => void): Promise<void> {
  const { open } = await clients.counts();
  if (open === plan.connections) return;
  say(`${plan.connections - open} clients of ${SERVERS[name].title} were lost by the end of ${measure.name}`);
}

/** All servers of a measure at once. */
function jointParts(order: BenchOrder): Part[] {
  const measures = order.measures.filter(one => one.stage === 'together');
  return measures.flatMap(measure => {
    const servers = serversOf(order, [measure]);
    if (servers.length === 0) return [];
    const take = ({ say, found }: PartListener) =>
      withScenes({ ...order, stage: measure.stage }, servers, say, async scenes => {
        const all = await measure.take({ plan: order.plan, scenes, say });
        for (const [server, figures] of all) found(server, figures);
        for (const scene of scenes) await tellLost(scene, measure, say);
      });
    return [{ title: measure.name, take }];
  });
}

/** Without a server's process. */
function loneParts(order: BenchOrder): Part[] {
  const measures = order.measures.filter(one => one.stage === 'alone');
  return measures.flatMap(measure =>
    serversOf(order, [measure]).map(server => ({
      title: SERVERS[server].title,
      take: async ({ say, found }) => {
        say(measure.name);
        found(server, await measure.take(order.plan));
      },
    })),
  );
}

/** Those asked for that any of the measures wants, in the order of the table. */
function serversOf({ servers }: BenchOrder, measures: readonly Measure[]): ServerName[] {
  return SERVER_NAMES.filter(name => servers.includes(name) && measures.some(one => one.servers.includes(name)));
}

/** Nothing of the stages is left behind, whatever happens. */
async function withScenes(
  order: Omit<StageOrder, 'server'>,
  servers: readonly ServerName[],
  say: (what: string) => void,
  use: (scenes: Scene[]) => Promise<void>,
): Promise<void> {
  const stages: Stage[] = [];
  try {
    const scenes: Scene[] = [];
    for (const server of servers) {
      const stage = new Stage({ ...order, server });
      stages.push(stage);
      scenes.push(await stage.open(say));
    }
    await use(scenes);
  } finally {
    await Promise.all(stages.map(stage => stage.end()));
  }
}
