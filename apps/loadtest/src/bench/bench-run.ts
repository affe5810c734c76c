import type { BenchPlan } from './bench-plan.js';
import type { LoneMeasure, Measure, StagedMeasure } from './measures/measure.js';
import { Readings } from './readings.js';
import { SERVER_NAMES, type ServerName, SERVERS } from './server/bench-server.js';
import { runStage } from './stage.js';

export interface BenchOrder {
  readonly plan: BenchPlan;
  readonly measures: readonly Measure[];
  readonly servers: readonly ServerName[];
  readonly socketsPerProcess: number;
  /** Where servers write their CPU profiles; null where they do not. */
  readonly profileFolder: string | null;
}

/** Every round asks every server in turn, so that what else the machine does meanwhile meets all of them. */
export async function runBench(order: BenchOrder, say: (what: string) => void): Promise<Readings> {
  const readings = new Readings();
  const { plan, measures } = order;
  const servers = SERVER_NAMES.filter(name => order.servers.includes(name));
  for (let round = 0; round < plan.rounds; round += 1) {
    const tell = (server: ServerName, what: string): void =>
      say(`round ${round + 1} of ${plan.rounds}, ${SERVERS[server].title}: ${what}`);
    for (const stage of ['door', 'crowd'] as const) {
      for (const server of servers) {
        const asked = measures.filter((measure): measure is StagedMeasure => measure.stage === stage);
        const mine = asked.filter(measure => measure.servers.includes(server));
        if (mine.length === 0) continue;
        const figures = await runStage({ ...order, stage, server, measures: mine }, what => tell(server, what));
        readings.add(round, server, figures);
      }
    }
    for (const measure of measures.filter((one): one is LoneMeasure => one.stage === 'alone')) {
      for (const server of servers.filter(name => measure.servers.includes(name))) {
        tell(server, measure.name);
        readings.add(round, server, await measure.take(plan));
      }
    }
  }
  return readings;
}
