import { parseArgs } from 'node:util';
import { type BenchPlan, FULL, QUICK } from './bench-plan.js';
import { MEASURES } from './measures/all.js';
import type { Measure } from './measures/measure.js';
import { SERVER_NAMES, type ServerName } from './server/bench-server.js';

export interface BenchArguments {
  readonly plan: BenchPlan;
  readonly measures: readonly Measure[];
  readonly servers: readonly ServerName[];
  /** Null: where the kind of run has its place. */
  readonly outFolder: string | null;
  readonly profileFolder: string | null;
  /** Whether the run is one that may stand for the project: all measures of all servers at full size. */
  readonly isWhole: boolean;
}

export type ParsedBenchArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly arguments: BenchArguments }
  /** All of them, not only the first. */
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** The one place where flags, their values and their meaning are written down. */
export const BENCH_FLAGS = {
  quick: { value: '', meaning: 'a few hundred connections, one round, every measure: does it work?' },
  only: { value: 'MEASURES', meaning: 'these measures, by commas' },
  servers: { value: 'SERVERS', meaning: 'these servers, by commas' },
  connections: {
    value: 'COUNT',
    meaning: `clients of each server [${FULL.connections}; ${QUICK.connections} with --quick]`,
  },
  rounds: {
    value: 'COUNT',
    meaning: `how often all is done; medians are shown [${FULL.rounds}; ${QUICK.rounds} with --quick]`,
  },
  out: { value: 'FOLDER', meaning: 'where JSON and plots go [docs/performance for a whole run, else a temporary one]' },
  profile: { value: 'FOLDER', meaning: 'servers write CPU profiles there, and are slower for it' },
  help: { value: '', meaning: 'prints this' },
} as const;

const FEWEST = 100;

/** @param socketsPerProcess How many sockets fit in the server's process. */
export function parseBenchArguments(argv: readonly string[], socketsPerProcess: number): ParsedBenchArguments {
  let given: Partial<Record<keyof typeof BENCH_FLAGS, string | boolean>>;
  try {
    const options = Object.fromEntries(
      Object.entries(BENCH_FLAGS).map(([name, { value }]) => [
        name,
        { type: value === '' ? 'boolean' : 'string' } as const,
      ]),
    );
    given = parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    return { kind: 'problems', problems: [`${(error as Error).message}: see --help`] };
  }
  if (given.help === true) return { kind: 'help' };
  const problems: string[] = [];
  const wrong = (name: string, rule: string, remedy: string): void => {
    problems.push(`--${name} is ${String(given[name as keyof typeof given])} but must be ${rule}: ${remedy}`);
  };
  const integer = (name: 'connections' | 'rounds', standard: number, least: number, most: number): number => {
    const text = given[name];
    if (text === undefined) return standard;
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    wrong(name, `a whole number from ${least} to ${most}`, `leave it out for ${standard}`);
    return standard;
  };
  const chosen = <Name extends string>(name: 'only' | 'servers', known: readonly Name[]): readonly Name[] => {
    if (given[name] === undefined) return known;
    const names = String(given[name]).split(',');
    if (!names.every(one => known.some(other => other === one)))
      wrong(name, `some of ${known.join(',')}`, 'correct it');
    return known.filter(one => names.includes(one));
  };

  const base = given.quick === true ? QUICK : FULL;
  const connections = integer('connections', base.connections, FEWEST, 60_000);
  const rounds = integer('rounds', base.rounds, 1, 100);
  const names = chosen(
    'only',
    MEASURES.map(({ name }) => name),
  );
  const servers = chosen('servers', SERVER_NAMES);
  // The clients that ask for echoes come on top.
  const most = socketsPerProcess - base.floodConnections;
  if (problems.length === 0 && connections > most) {
    problems.push(
      `--connections is ${connections} but must be at most ${most} where a process may have ${socketsPerProcess} ` +
        'sockets: raise the limit (ulimit -n), or open fewer',
    );
  }
  if (problems.length > 0) return { kind: 'problems', problems };
  return {
    kind: 'run',
    arguments: {
      plan: {
        ...base,
        connections,
        rounds,
        silent: Math.min(base.silent, connections),
        warmUp: Math.min(base.warmUp, connections),
      },
      measures: MEASURES.filter(({ name }) => names.includes(name)),
      servers,
      outFolder: stringOf(given.out),
      profileFolder: stringOf(given.profile),
      isWhole: base === FULL && given.only === undefined && given.servers === undefined && given.profile === undefined,
    },
  };
}

export function benchUsage(): string {
  const flags = Object.entries(BENCH_FLAGS).map(([name, { value, meaning }]) => {
    return `  ${`--${name} ${value}`.padEnd(22)}${meaning}`;
  });
  const measures = MEASURES.map(({ name, finds }) => `  ${name.padEnd(22)}${finds}`);
  return [
    'Measures this library beside other WebSocket servers, each in a process of its own, in turn, in several rounds.',
    '',
    'npm run bench',
    'npm run bench -- --quick',
    'npm run bench -- --only accept,heap --servers nest,heartbeat --rounds 1',
    '',
    ...flags,
    '',
    'Measures:',
    ...measures,
    '',
    `Servers: ${SERVER_NAMES.join(', ')}`,
    '',
    'Exit status: 0 measured, 1 something broke, 2 the arguments are wrong.',
    '',
  ].join('\n');
}

function stringOf(value: string | boolean | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
