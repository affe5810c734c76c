import { parseArgs } from 'node:util';
import { FLAGS, type FlagName } from './flags.js';
import { shortRunProblem } from './liveness-bound.js';
import { readTarget, type Target } from './target.js';

export interface LoadOptions {
  readonly target: Target;
  readonly connections: number;
  /** Counts of clients; shares are already resolved. */
  readonly silent: number;
  readonly stopped: number;
  readonly echoing: number;
  readonly echoEveryMs: number;
  /** 0: as fast as the server responds. */
  readonly openPerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  /** `null`: ask the server. */
  readonly intervalMs: number | null;
  readonly pongTimeoutMs: number | null;
  readonly missedPongs: number;
  readonly jsonFile: string | null;
}

/** The limits of the machine, against which the arguments are judged. */
export interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly socketsPerProcess: number;
  /** Used when no `--seed` is given. */
  readonly seed: number;
}

export type ParsedArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly options: LoadOptions }
  /** All of them, not only the first. */
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

export const MOST_PROCESSES = 16;
/** One IPv6 loopback address has this many ports to connect from. */
const MOST_OVER_IPV6 = 25_000;
const LONGEST_INTERVAL_MS = 600_000;
const LARGEST_SEED = 2 ** 32 - 1;

export function parseArguments(argv: readonly string[], surroundings: Surroundings): ParsedArguments {
  const problems: string[] = [];
  const given = readFlags(argv, problems);
  if (given.has('help')) return { kind: 'help' };
  const text = (name: FlagName): string => given.get(name) ?? FLAGS[name].default;

  const wrong = (name: FlagName, rule: string, remedy: string): void => {
    problems.push(`--${name} is ${text(name) === '' ? 'empty' : text(name)} but must be ${rule}: ${remedy}`);
  };
  const integer = (name: FlagName, least: number, most: number): number => {
    const value = Number(text(name));
    if (/^\d+$/.test(text(name)) && value >= least && value <= most) return value;
    wrong(name, `a whole number from ${least} to ${most}`, `leave it out for ${FLAGS[name].default || 'the default'}`);
    // Nothing runs with a problem; the widest value keeps what depends on it from being blamed as well.
    return most;
  };
  const share = (name: FlagName, total: number): number => {
    const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text(name));
    const value = Number(match?.[1]);
    const isPercentage = match?.[2] === '%';
    const count = isPercentage ? atLeastOne((total * value) / 100) : value;
    if (Number.isInteger(count) && value <= (isPercentage ? 100 : total)) return count;
    wrong(name, `a percentage up to 100% or a number of clients up to ${total}`, 'write it like 10% or 200');
    return 0;
  };

  const reading = readTarget(text('url'));
  if ('rule' in reading) wrong('url', reading.rule, reading.remedy);
  const connections = integer('connections', 1, 60_000);
  const silent = share('silent', connections);
  const stopped = share('stopped', connections);
  const healthy = Math.max(0, connections - silent - stopped);
  const options = {
    connections,
    silent,
    stopped,
    echoing: share('echo', healthy),
    echoEveryMs: integer('echo-every', 10, 3_600_000),
    openPerSecond: integer('open-rate', 0, 1_000_000),
    seconds: integer('seconds', 1, 3600),
    seed: given.has('seed') ? integer('seed', 0, LARGEST_SEED) : surroundings.seed,
    intervalMs: given.has('interval') ? integer('interval', 1, LONGEST_INTERVAL_MS) : null,
    pongTimeoutMs: given.has('pong-timeout') ? integer('pong-timeout', 1, LONGEST_INTERVAL_MS) : null,
    missedPongs: integer('missed-pongs', 1, 100),
    jsonFile: given.get('json') ?? null,
  };
  if (options.jsonFile === '') wrong('json', 'the name of a file', 'name one, or leave the flag out');
  if (problems.length > 0) return { kind: 'problems', problems };

  problems.push(...pairProblems(options, surroundings));
  if ('target' in reading && reading.target.host === '::1' && connections > MOST_OVER_IPV6) {
    wrong('connections', `at most ${MOST_OVER_IPV6} over ::1, which is a single address`, 'aim at 127.0.0.1');
  }
  if (problems.length > 0 || !('target' in reading)) return { kind: 'problems', problems };
  return { kind: 'run', options: { target: reading.target, ...options } };
}

/** Problems of flags together; judged only once each flag is valid by itself. */
function pairProblems(options: Omit<LoadOptions, 'target'>, surroundings: Surroundings): string[] {
  const problems: string[] = [];
  const { connections, silent, stopped, intervalMs, pongTimeoutMs, missedPongs } = options;
  if (silent + stopped > connections) {
    problems.push(
      `--silent and --stopped are ${silent} and ${stopped} clients but must be at most the ` +
        `${connections} of --connections together: lower one of them`,
    );
  }
  if (stopped > 0 && surroundings.platform !== 'linux') {
    problems.push(
      `--stopped is ${stopped} clients but must be 0 on ${surroundings.platform}: the end of an unread socket ` +
        'is seen through /proc/net/tcp, so give --stopped 0 or run on Linux',
    );
  }
  const most = MOST_PROCESSES * surroundings.socketsPerProcess;
  if (connections > most) {
    problems.push(
      `--connections is ${connections} but must be at most ${most} where ${surroundings.socketsPerProcess} ` +
        `sockets fit in a process: raise the limit (ulimit -n), or open fewer`,
    );
  }
  if (silent + stopped > 0 && intervalMs !== null) {
    // Without --pong-timeout the server is asked first, and the run judged then.
    const known = pongTimeoutMs === null ? null : { intervalMs, pongTimeoutMs, missedPongs };
    const problem = known === null ? null : shortRunProblem(options.seconds, known);
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

function readFlags(argv: readonly string[], problems: string[]): Map<FlagName, string> {
  const given = new Map<FlagName, string>();
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(FLAGS).map(([name, { value }]) => [name, { type: value === '' ? 'boolean' : 'string' } as const]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let strayValueAt = -1;
  for (const token of tokens) {
    // The value of an unknown flag is not a second mistake.
    const isStrayValue = token.kind === 'positional' && token.index === strayValueAt;
    if (token.kind === 'option-terminator' || isStrayValue) continue;
    const name = token.kind === 'option' ? token.rawName : token.value;
    if (token.kind === 'positional' || !isFlag(token.name, token.rawName)) {
      problems.push(`${name} is not a flag of this tool: see --help`);
      if (token.kind === 'option') strayValueAt = token.index + 1;
    } else if (given.has(token.name)) {
      problems.push(`${name} is given twice but must be given once: leave one out`);
    } else if (FLAGS[token.name].value !== '' && isMissing(token.value, token.inlineValue)) {
      problems.push(`${name} has no value but must have one, ${FLAGS[token.name].value}: add it`);
    } else {
      given.set(token.name, token.value ?? '');
    }
  }
  return given;
}

function isFlag(name: string, rawName: string): name is FlagName {
  return rawName.startsWith('--') && Object.hasOwn(FLAGS, name);
}

/** In `--url --seconds 5` the parser takes `--seconds` for the URL. */
function isMissing(value: string | undefined, inline: boolean | undefined): boolean {
  return value === undefined || (inline !== true && value.startsWith('--'));
}

/** Two percent of 20 clients is one client: a share that was asked for is never rounded away. */
function atLeastOne(share: number): number {
  return share === 0 ? 0 : Math.max(1, Math.round(share));
}
