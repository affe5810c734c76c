import type { HeartbeatOptions, Problem } from 'nestjs-heartbeat';
import { DEFAULTS } from 'nestjs-heartbeat/tooling';

/** The library's groups of options, whose names begin the names of their variables. */
export const GROUPS = Object.keys(DEFAULTS).filter(key => isGroup(DEFAULTS[key as keyof typeof DEFAULTS]));

/** Options that this server takes from variables of other names, and those that no text can hold or that it builds itself. */
const NAMED_OTHERWISE: Readonly<Record<string, string>> = {
  'cluster.nodeName': 'NODE_NAME',
  'cluster.redisUrl': 'REDIS_URL',
};
const BUILT_HERE = new Set([
  'admin.tokens',
  'authenticate',
  'handshakeMiddleware',
  'identityFromRequest',
  'cluster.client',
  'metrics.registry',
]);
/** Options that are one word or a list. */
const WORD_OR_LIST = new Set(['origins']);

interface OptionVariable {
  readonly name: string;
  /** The name by the rule: the group and the option. */
  readonly regularName: string;
  readonly path: readonly string[];
  /** The default, which determines the type. */
  readonly standard: unknown;
}

/** Every option of the library with its variable: `heartbeat.intervalMs` is `HEARTBEAT_INTERVAL_MS`. */
export const OPTION_VARIABLES: readonly OptionVariable[] = variablesOf(DEFAULTS, []);

/** The options that the environment sets. A value that is not of the option's type stays text, for the library to judge. */
export function optionsFrom(environment: Readonly<Record<string, string>>): HeartbeatOptions {
  const options: Record<string, unknown> = {};
  for (const { name, path, standard } of OPTION_VARIABLES) {
    const text = environment[name];
    if (text === undefined) continue;
    let group = options;
    for (const key of path.slice(0, -1)) group = (group[key] ??= {}) as Record<string, unknown>;
    const isList = Array.isArray(standard) || (WORD_OR_LIST.has(path.join('.')) && text !== standard);
    const isNumber = typeof standard === 'number' || path.at(-1)!.endsWith('Ms');
    group[path.at(-1)!] = isList ? text.split(',').map(item => item.trim()) : parse(text, isNumber ? 0 : standard);
  }
  return options;
}

/** The library's problem in this server's words: the names of options become those of variables. */
export function namingVariables({ key, value, rule, remedy }: Problem): Problem {
  // An item of a list has the list's variable.
  const option = key.replace(/\.\d+$/, '');
  const own = OPTION_VARIABLES.find(({ path }) => path.join('.') === option);
  const siblings = OPTION_VARIABLES.filter(({ path }) => path.length > 1 && path[0] === own?.path[0]);
  const translate = (given: string) => {
    const withPaths = OPTION_VARIABLES.reduce((said, { path, name }) => replaceWord(said, path.join('.'), name), given);
    // A neighbour in the group may be named by its last word alone; words like `event` are left, for they are English too.
    const compounds = siblings.filter(({ path }) => /[A-Z]/.test(path.at(-1)!));
    const text = compounds.reduce((said, { path, name }) => replaceWord(said, path.at(-1)!, name), withPaths);
    // The library's texts may name the variable after the option: `hosts (HOSTS)`.
    return text.replaceAll(/\b([A-Z_]+) \(\1\)/g, '$1');
  };
  return { key: own?.name ?? key, value, rule: translate(rule), remedy: translate(remedy) };
}

function replaceWord(text: string, word: string, by: string): string {
  return text.replaceAll(new RegExp(`\\b${word.replaceAll('.', '\\.')}\\b`, 'g'), by);
}

function variablesOf(options: object, above: readonly string[]): OptionVariable[] {
  return Object.entries(options).flatMap(([key, standard]: [string, unknown]) => {
    const path = [...above, key];
    if (isGroup(standard)) return variablesOf(standard, path);
    const regularName = path.map(upperSnake).join('_');
    const name = NAMED_OTHERWISE[path.join('.')] ?? regularName;
    return BUILT_HERE.has(path.join('.')) ? [] : [{ name, regularName, path, standard }];
  });
}

function parse(text: string, standard: unknown): unknown {
  if (typeof standard === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (typeof standard === 'boolean') return ({ true: true, false: false } as Record<string, boolean>)[text] ?? text;
  return text;
}

function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function upperSnake(camelCase: string): string {
  return camelCase.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase();
}
