import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { BenchPlan } from './bench-plan.js';
import { drawBars } from './plot-bars.js';
import { drawEchoTimes } from './plot-echo.js';
import type { Goal } from './figures.js';
import { Readings } from './readings.js';
import type { ServerName } from './server/bench-server.js';
import { renderTable } from './table.js';

export interface Results {
  readonly takenAt: string;
  readonly node: string;
  readonly cores: number;
  readonly plan: BenchPlan;
  /** By figure and server, one value for each round. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly goals: readonly (Goal & { readonly figure: string; readonly value: number; readonly reached: boolean })[];
}

const TABLE = /(<!-- table -->\n)[\s\S]*?(<!-- end of table -->)/;

/** Everything that was found, for programs: the values of all rounds, not only what the table makes of them. */
export function resultsOf(readings: Readings, plan: BenchPlan): Results {
  const figures = readings.figures.map(figure => {
    const values = readings.servers.map(server => [server, readings.values(server, figure)] as const);
    return [figure, Object.fromEntries(values.filter(([, found]) => found.length > 0))] as const;
  });
  const goals = readings.figures.flatMap(figure =>
    readings
      .judge(figure)
      .map(({ goal, value, reached }) => ({ figure, ...goal, value: Number(value.toPrecision(4)), reached })),
  );
  return {
    takenAt: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    plan,
    figures: Object.fromEntries(figures),
    goals,
  };
}

/** JSON and plots; a README that is there and has a place for it gets the table. */
export function writeResults(folder: string, readings: Readings, plan: BenchPlan): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(resultsOf(readings, plan), null, 1)}\n`);
  writeFileSync(join(folder, 'side-by-side.svg'), drawBars(readings));
  writeFileSync(join(folder, 'echo-times.svg'), drawEchoTimes(readings));
  const readme = join(folder, 'README.md');
  const text = readIfThere(readme);
  if (text !== null) writeFileSync(readme, text.replace(TABLE, `$1\n${renderTable(readings)}\n$2`));
}

/** The same from what was written. */
export function readingsOf({ figures }: Results): Readings {
  const readings = new Readings();
  for (const [figure, servers] of Object.entries(figures)) {
    for (const [server, values] of Object.entries(servers)) {
      values.forEach((value, round) => readings.add(round, server as ServerName, { [figure]: value }));
    }
  }
  return readings;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
