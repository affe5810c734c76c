import type { LogLevel } from '@nestjs/common';
import { HeartbeatError, type HeartbeatOptions, type Problem } from 'nestjs-heartbeat';
import { resolveOptions } from 'nestjs-heartbeat/tooling';
import { z } from 'zod';

import { namingToken, readAdminTokens, type TokenSource } from './admin-tokens.js';
import { type ClientTokenSettings, readClientTokens } from './client-tokens.js';
import { sourcesOf } from './option-sources.js';
import { namingVariables, OPTION_VARIABLES, optionsFrom } from './option-variables.js';
import { withSecretFiles } from './secret-files.js';
import { emptyVariables, unknownVariables, type Variables, withoutServiceLinks } from './variable-names.js';

/** The settings of the environment, checked as a whole. */
export interface Settings {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The port of admin API, metrics, health and API docs; 0 takes any free port, null is the application's own. */
  readonly adminPort: number | null;
  readonly wsPath: string;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly options: HeartbeatOptions;
  /** The variables that set options, by option. */
  readonly sources: Readonly<Record<string, string>>;
  /** Processes that share the port, each a node of the cluster; 1 is this process alone. */
  readonly workers: number;
  /** How clients prove their identity; null where every client is anonymous. */
  readonly clientTokens: ClientTokenSettings | null;
  /** The operator's token when this server made it, because ADMIN_TOKEN and ADMIN_TOKEN_FILE are not set; null otherwise. */
  readonly generatedToken: string | null;
  readonly tokenSource: TokenSource;
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
const port = z
  .string()
  .regex(/^\d{1,5}$/, portRule)
  .transform(Number)
  .refine(number => number <= 65_535, portRule);
const workersRule = 'must be a whole number from 1 to 256';
const yesOrNo = z
  .enum(['true', 'false'], 'must be true or false')
  .default('false')
  .transform(word => word === 'true');
const levels = ['verbose', 'debug', 'log', 'info', 'warn', 'error', 'fatal'] as const;

/** The variables of this server; those of the library's options are in `OPTION_VARIABLES`. */
const OWN_VARIABLES = {
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(3000),
  ADMIN_PORT: port.optional(),
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
  ADMIN_TOKEN_FILE: z.string().optional(),
  ADMIN_VIEWER_TOKEN: z.string().optional(),
  JWT_SECRET: z.string().optional(),
  JWT_SECRET_FILE: z.string().optional(),
  JWKS_FILE: z.string().optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_TYPE: z.string().optional(),
  JWT_MAX_AGE_S: z.string().optional(),
  ALLOW_ANONYMOUS: yesOrNo,
  ALLOW_QUERY_TOKEN: yesOrNo,
  LOG_LEVEL: z.enum(levels, `must be one of ${levels.join(', ')}`).default('log'),
  LOG_FORMAT: z.enum(['text', 'json'], 'must be text or json').default('text'),
};
const own = z.object(OWN_VARIABLES);

const KNOWN = [...Object.keys(OWN_VARIABLES), ...OPTION_VARIABLES.map(({ name }) => name)];

/**
 * Reads the settings. An empty variable counts as one that is not set, unless the server would be less safe without it; what is
 * not ours is ignored, except that it begins like ours, which is a slip.
 * @throws EnvironmentError with every problem, not only the first.
 */
export function readEnvironment(environment: NodeJS.ProcessEnv): Settings {
  const variables = withoutServiceLinks(environment);
  const problems = emptyVariables(variables, KNOWN);
  const reported = new Set(problems.map(({ key }) => key));
  const given = Object.fromEntries(
    Object.entries(variables).filter(([name, text]) => text !== '' && !reported.has(name)),
  );
  const parsed = own.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.map(issue => ownProblem(issue, given)));
  problems.push(...unknownVariables(variables, KNOWN));
  const withFiles = withSecretFiles(given, problems);
  const { tokens, generatedToken, tokenSource } = readAdminTokens(withFiles, problems);
  problems.push(...clusterProblems(given, parsed.data?.WORKERS ?? 1).filter(({ key }) => !reported.has(key)));
  const options = { ...optionsFrom(given), admin: { tokens: [...tokens] } };
  const clientTokens = readClientTokens(withFiles, problems);
  problems.push(...optionProblems(options, given), ...portProblems(parsed.data));
  if (!parsed.success || problems.length > 0) throw new EnvironmentError(problems);
  const { HOST, PORT, ADMIN_PORT = null, WS_PATH, WORKERS, LOG_LEVEL, LOG_FORMAT } = parsed.data;
  const logLevel = LOG_LEVEL === 'info' ? 'log' : LOG_LEVEL;
  return {
    host: HOST,
    port: PORT,
    adminPort: ADMIN_PORT,
    wsPath: WS_PATH,
    logLevel,
    logFormat: LOG_FORMAT,
    options,
    sources: sourcesOf(given),
    workers: WORKERS,
    clientTokens,
    generatedToken,
    tokenSource,
  };
}

function portProblems(
  given: { readonly PORT: number; readonly ADMIN_PORT?: number | undefined } | undefined,
): Problem[] {
  const { PORT, ADMIN_PORT } = given ?? {};
  if (ADMIN_PORT === undefined || ADMIN_PORT === 0 || ADMIN_PORT !== PORT) return [];
  const remedy = 'choose another one, or leave it out to have the admin API on PORT';
  return [{ key: 'ADMIN_PORT', value: ADMIN_PORT, rule: 'must differ from PORT', remedy }];
}

/** The requirements of nodes of one cluster. */
function clusterProblems(given: Variables, workers: number): Problem[] {
  const { REDIS_URL, ADMIN_TOKEN, ADMIN_TOKEN_FILE } = given;
  if (REDIS_URL === undefined && workers > 1) {
    const rule = 'needs REDIS_URL, by which the workers find each other: each is a node of the cluster';
    return [{ key: 'WORKERS', value: workers, rule, remedy: 'set REDIS_URL, or leave WORKERS out' }];
  }
  if (REDIS_URL === undefined || (ADMIN_TOKEN ?? ADMIN_TOKEN_FILE) !== undefined) return [];
  const rule = 'must be set where REDIS_URL is, since each node would make another one';
  const remedy = 'set the same on every node, such as from openssl rand -base64 24';
  return [{ key: 'ADMIN_TOKEN', value: '(not set)', rule, remedy }];
}

function ownProblem({ path, message }: z.core.$ZodIssue, given: Variables): Problem {
  const key = String(path[0]);
  const standard = OWN_VARIABLES[key as keyof typeof OWN_VARIABLES].parse(undefined);
  return {
    key,
    value: given[key],
    rule: message,
    remedy: `correct it, or ${standard === undefined ? 'unset it' : `leave it out for ${String(standard)}`}`,
  };
}

/** The problems that the library itself would report, named by variables. */
function optionProblems(options: HeartbeatOptions, given: Variables): Problem[] {
  try {
    resolveOptions(options);
    return [];
  } catch (error) {
    if (!(error instanceof HeartbeatError)) throw error;
    return error.problems.map(problem => namingVariables(namingToken(problem, given)));
  }
}
