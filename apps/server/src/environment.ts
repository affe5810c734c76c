import { randomBytes } from 'node:crypto';

import type { LogLevel } from '@nestjs/common';
import { type AdminToken, HeartbeatError, type HeartbeatOptions, type Problem, resolveOptions } from 'nestjs-heartbeat';
import { z } from 'zod';

import { type ClientTokenSettings, readClientKey } from './client-key.js';
import { closestWord } from './closest-word.js';
import { GROUPS, namingVariables, OPTION_VARIABLES, optionsFrom } from './option-variables.js';

/** What the environment says, checked as a whole. */
export interface Settings {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly wsPath: string;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly options: HeartbeatOptions;
  /** Processes that share the port, each a node of the cluster; 1 is this process alone. */
  readonly workers: number;
  /** How clients prove who they are; null where everybody is anonymous. */
  readonly clientTokens: ClientTokenSettings | null;
  /** The operator's token when this server made it, because ADMIN_TOKEN is not set; null otherwise. */
  readonly generatedToken: string | null;
}

/** The environment is wrong; the message names every variable, and what to do about it. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';

  constructor(readonly problems: readonly Problem[]) {
    const lines = problems.map(
      ({ key, value, rule, remedy }) => `\n  - ${key} is ${JSON.stringify(value)} but ${rule}: ${remedy}`,
    );
    const are = problems.length === 1 ? 'a variable is' : `${problems.length} variables are`;
    super(`The server cannot start, ${are} wrong:${lines.join('')}`);
  }
}

const portRule = 'must be a whole number from 0 to 65535';
const workersRule = 'must be a whole number from 1 to 256';
const yesOrNo = z
  .enum(['true', 'false'], 'must be true or false')
  .default('false')
  .transform(word => word === 'true');
const levels = ['verbose', 'debug', 'log', 'info', 'warn', 'error', 'fatal'] as const;

/** The variables of this server; those of the library's options are in `OPTION_VARIABLES`. */
const OWN_VARIABLES = {
  HOST: z.string().default('127.0.0.1'),
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, portRule)
    .transform(Number)
    .refine(port => port <= 65_535, portRule)
    .default(3000),
  WS_PATH: z
    .string()
    .regex(
      /^(?:\/|(?:\/[!"$-.0->@-~]+)+)$/,
      'must be a path: a "/" first, none at its end, printable ASCII, no space, "?" or "#"',
    )
    .default('/ws'),
  WORKERS: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, workersRule)
    .transform(Number)
    .refine(workers => workers <= 256, workersRule)
    .default(1),
  ADMIN_TOKEN: z.string().optional(),
  ADMIN_VIEWER_TOKEN: z.string().optional(),
  JWT_SECRET: z.string().optional(),
  JWKS_FILE: z.string().optional(),
  ALLOW_ANONYMOUS: yesOrNo,
  ALLOW_QUERY_TOKEN: yesOrNo,
  LOG_LEVEL: z.enum(levels, `must be one of ${levels.join(', ')}`).default('log'),
  LOG_FORMAT: z.enum(['text', 'json'], 'must be text or json').default('text'),
};
const own = z.object(OWN_VARIABLES);

const KNOWN = [...Object.keys(OWN_VARIABLES), ...OPTION_VARIABLES.map(({ name }) => name)];
/** What somebody may have meant to write, and what it is called. */
const NAMES = new Map([
  ...OPTION_VARIABLES.map(({ regularName, name }) => [regularName, name] as const),
  ...KNOWN.map(name => [name, name] as const),
]);
const PREFIXES = GROUPS.map(group => `${group.toUpperCase()}_`);
/** What Kubernetes sets in every container for each service of the namespace, such as one that is called `heartbeat`. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/;

/**
 * Reads the settings. An empty variable counts as one that is not set; what is not ours is ignored, except that it begins
 * like ours, which is a slip.
 * @throws EnvironmentError with every problem, not only the first.
 */
export function readEnvironment(environment: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, text]) => text)) as Record<string, string>;
  const parsed = own.safeParse(given);
  const problems = parsed.success ? [] : parsed.error.issues.map(issue => ownProblem(issue, given));
  problems.push(...unknownVariables(given));
  const { ADMIN_TOKEN, ADMIN_VIEWER_TOKEN } = given;
  const generatedToken = ADMIN_TOKEN === undefined ? randomBytes(24).toString('base64url') : null;
  const tokens: AdminToken[] = [{ token: ADMIN_TOKEN ?? generatedToken!, role: 'operator', name: 'operator' }];
  if (ADMIN_VIEWER_TOKEN === ADMIN_TOKEN && ADMIN_TOKEN !== undefined) problems.push(SAME_TOKEN);
  else if (ADMIN_VIEWER_TOKEN !== undefined) tokens.push({ token: ADMIN_VIEWER_TOKEN, role: 'viewer', name: 'viewer' });
  problems.push(...clusterProblems(given, parsed.data?.WORKERS ?? 1));
  const options = { ...optionsFrom(given), admin: { tokens } };
  const key = readClientKey(given, problems);
  problems.push(...optionProblems(options));
  if (!parsed.success || problems.length > 0) throw new EnvironmentError(problems);
  const { HOST, PORT, WS_PATH, WORKERS, LOG_LEVEL, LOG_FORMAT, ALLOW_ANONYMOUS, ALLOW_QUERY_TOKEN } = parsed.data;
  const clientTokens = key && { key, allowAnonymous: ALLOW_ANONYMOUS, allowQueryToken: ALLOW_QUERY_TOKEN };
  const logLevel = LOG_LEVEL === 'info' ? 'log' : LOG_LEVEL;
  return {
    host: HOST,
    port: PORT,
    wsPath: WS_PATH,
    logLevel,
    logFormat: LOG_FORMAT,
    options,
    workers: WORKERS,
    clientTokens,
    generatedToken,
  };
}

const SAME_TOKEN: Problem = {
  key: 'ADMIN_VIEWER_TOKEN',
  value: '(hidden)',
  rule: 'must differ from ADMIN_TOKEN',
  remedy: 'choose another, or leave it out',
};

/** What nodes that are to be one cluster cannot do without. */
function clusterProblems(given: Readonly<Record<string, string>>, workers: number): Problem[] {
  const { REDIS_URL, ADMIN_TOKEN } = given;
  if (REDIS_URL === undefined && workers > 1) {
    const rule = 'needs REDIS_URL, by which the workers find each other: each is a node of the cluster';
    return [{ key: 'WORKERS', value: workers, rule, remedy: 'set REDIS_URL, or leave WORKERS out' }];
  }
  if (REDIS_URL === undefined || ADMIN_TOKEN !== undefined) return [];
  const rule = 'must be set where REDIS_URL is, since each node would make another one';
  const remedy = 'set the same on every node, such as from openssl rand -base64 24';
  return [{ key: 'ADMIN_TOKEN', value: '(not set)', rule, remedy }];
}

function ownProblem({ path, message }: z.core.$ZodIssue, given: Readonly<Record<string, string>>): Problem {
  const key = String(path[0]);
  const standard: unknown = OWN_VARIABLES[key as keyof typeof OWN_VARIABLES].parse(undefined);
  return { key, value: given[key], rule: message, remedy: `correct it, or leave it out for ${String(standard)}` };
}

/** Names that begin like ours and are not. Their values are not shown: a token may stand there. */
function unknownVariables(given: Readonly<Record<string, string>>): Problem[] {
  const slips = Object.keys(given).filter(
    name => PREFIXES.some(prefix => name.startsWith(prefix)) && !KNOWN.includes(name) && !isServiceLink(name, given),
  );
  return slips.map(key => {
    const meant = closestWord(key, [...NAMES.keys()]);
    const remedy = meant === undefined ? 'correct the name, or unset it' : `did you mean ${NAMES.get(meant)}?`;
    return { key, value: '(set)', rule: 'is not a variable of this server', remedy };
  });
}

function isServiceLink(name: string, given: Readonly<Record<string, string>>): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):/.test(given[name] ?? ''));
}

/** What the library itself would refuse, named by variables. */
function optionProblems(options: HeartbeatOptions): Problem[] {
  try {
    resolveOptions(options);
    return [];
  } catch (error) {
    if (!(error instanceof HeartbeatError)) throw error;
    return error.problems.map(problem => namingVariables(tokenNamed(problem)));
  }
}

/** `admin.tokens.0.token` is ADMIN_TOKEN, and the next is the viewer's; neither is ever shown. */
function tokenNamed(problem: Problem): Problem {
  const place = /^admin\.tokens\.(\d)/.exec(problem.key)?.[1];
  if (place === undefined) return problem;
  return { ...problem, key: place === '0' ? 'ADMIN_TOKEN' : 'ADMIN_VIEWER_TOKEN', value: '(hidden)' };
}
