import type { Problem } from 'nestjs-heartbeat';

import { closestWord } from './closest-word.js';
import { GROUPS, OPTION_VARIABLES } from './option-variables.js';

/** The variables that are set, empty ones included. */
export type Variables = Readonly<Record<string, string>>;

/** The variables that Kubernetes sets in every container for each service of the namespace, such as one that is called `heartbeat`. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/;
/** Names that begin like a variable by which this server is secured. `ORIGINAL_…` is a word of other programs. */
const SECURITY = /^(JWTS?|JWKS?|ALLOW(ED)?|ADMIN|TRUST(ED)?|ORIGINS?|REDIS)(_|$)/i;
/** Names that begin like a group of the library's options. */
const GROUP = new RegExp(`^(${GROUPS.join('|')})_`, 'i');
/** Words that tell the variable, whatever stands beside them. */
const SUBJECTS = [
  [/ORIGIN/, 'ORIGINS'],
  [/PROX(Y|IES)/, 'TRUSTED_PROXIES'],
] as const;
/** Switches and lists outside of the prefixes whose absence means less safe. Limits that are off by default are found by their default. */
const LESS_SAFE_WITHOUT = new Set(['METRICS_GUARDED', 'HOSTS']);

/** The variables that are set, without those that Kubernetes or Docker sets for a service that is named like one of ours. */
export function withoutServiceLinks(environment: NodeJS.ProcessEnv): Variables {
  const entries = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const all = Object.fromEntries(entries);
  return Object.fromEntries(entries.filter(([name]) => !isServiceLink(name, all)));
}

/** Security variables that are set to nothing: `JWT_SECRET=` is a secret that got lost on its way, not a wish for none. */
export function emptyVariables(variables: Variables, known: readonly string[]): Problem[] {
  const empty = known.filter(name => variables[name]?.trim() === '' && isLessSafeWithout(name));
  return empty.map(key => ({
    key,
    value: variables[key],
    rule: 'must not be empty: without it the server is less safe',
    remedy: 'set its value, or unset it',
  }));
}

/** Names that begin like ours, or nearly are, and are not. Their values are not shown: a token may stand there. */
export function unknownVariables(variables: Variables, known: readonly string[]): Problem[] {
  const names = new Map([
    ...OPTION_VARIABLES.map(({ regularName, name }) => [regularName, name] as const),
    ...known.map(name => [name, name] as const),
  ]);
  const secured = known.filter(name => SECURITY.test(name));
  const unsafeWithout = known.filter(isLessSafeWithout);
  return Object.entries(variables).flatMap(([key, value]) => {
    if (known.includes(key)) return [];
    const upperCase = key.toUpperCase();
    const isSecurity = SECURITY.test(key) || closestWord(upperCase, unsafeWithout) !== undefined;
    if (!isSecurity && (value === '' || !GROUP.test(key))) return [];
    // JWKS_PATH is nearer to WS_PATH by its letters than to JWKS_FILE.
    const closest = closestWord(upperCase, SECURITY.test(key) ? secured : [...names.keys()]);
    const meant = closest === undefined ? relatives(upperCase, secured) : [names.get(closest)!];
    const remedy = meant.length === 0 ? 'correct the name, or unset it' : `did you mean ${meant.join(' or ')}?`;
    return [{ key, value: '(set)', rule: 'is not a variable of this server', remedy }];
  });
}

/** The security variables that share the most words with the beginning of a name, such as JWT_SECRET for `JWT_SECRET_KEY`. */
function relatives(name: string, secured: readonly string[]): readonly string[] {
  const subject = SUBJECTS.find(([word]) => word.test(name));
  if (subject !== undefined) return [subject[1]];
  const words = name.split('_').map(stem);
  for (let count = words.length; count > 0; count--) {
    const beginning = words.slice(0, count).join('_');
    const related = secured.filter(candidate => candidate.split('_').slice(0, count).map(stem).join('_') === beginning);
    if (related.length > 0) return related;
  }
  return [];
}

/** The singular, and the verb of a participle. */
function stem(word: string): string {
  return word.replace(/(ED|S)$/, '');
}

function isLessSafeWithout(name: string): boolean {
  if (SECURITY.test(name) || LESS_SAFE_WITHOUT.has(name)) return true;
  // A limit that is off by default: its absence is a server without it.
  return OPTION_VARIABLES.some(option => option.name === name && option.path[0] === 'limits' && option.standard === 0);
}

function isServiceLink(name: string, all: Variables): boolean {
  if (SERVICE_LINK.test(name) || (name.endsWith('_PORT') && isPortLink(all[name]))) return true;
  // `docker run --link` adds these to the port.
  const linked = /^(.+?)_(?:NAME|ENV_\w+)$/.exec(name)?.[1];
  return linked !== undefined && isPortLink(all[`${linked}_PORT`]);
}

function isPortLink(value = ''): boolean {
  return /^(tcp|udp|sctp):/.test(value);
}
