import type { BenchPlan } from './bench-plan.js';
import type { Figures } from './figures.js';
import type { LoneMeasure, Measure, StagedMeasure } from './measures/measure.js';
import { Readings } from './readings.js';
import { SERVER_NAMES, type ServerName, SERVERS } from './server/bench-server.js';
import { runStage, type StageListener } from './stage.js';

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
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
}

/**
 * Every round asks every server in turn, so that what else the machine does meanwhile meets all of them. What fails is told,
 * and the rest goes on.
 */
export async function runBench(order: BenchOrder, { say, roundEnded }: BenchListener): Promise<BenchRun> {
  const readings = new Readings();
  const failures: string[] = [];
  const { plan } = order;
  const servers = SERVER_NAMES.filter(name => order.servers.includes(name));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const stage of ['door', 'crowd', 'alone'] as const) {
      for (const server of servers) {
        const measures = order.measures.filter(one => one.stage === stage && one.servers.includes(server));
        if (measures.length === 0) continue;
        const where = `round ${round + 1} of ${plan.rounds}, ${SERVERS[server].title}`;
        const listener = {
          say: (what: string) => say(`${where}: ${what}`),
          found: (figures: Figures) => readings.add(round, server, figures),
        };
        try {
          if (stage === 'alone') await takeAlone(measures.filter(isLone), plan, listener);
          else await runStage({ ...order, stage, server, measures: measures.filter(isStaged) }, listener);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          failures.push(`${where}: ${why}`);
          listener.say(`failed: ${why}`);
        }
      }
    }
    roundEnded(readings);
  }
  return { readings, failures };
}

async function takeAlone(
  measures: readonly LoneMeasure[],
  plan: BenchPlan,
  { say, found }: StageListener,
): Promise<void> {
  for (const measure of measures) {
    say(measure.name);
    found(await measure.take(plan));
  }
}

function isLone(measure: Measure): measure is LoneMeasure {
  return measure.stage === 'alone';
}

function isStaged(measure: Measure): measure is StagedMeasure {
  return measure.stage !== 'alone';
}
