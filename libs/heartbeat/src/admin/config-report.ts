import { z } from 'zod';

import { wireText } from '../base/wire-values.js';
import type { Clock } from '../base/clock.js';
import { LIMIT_KEYS } from '../limits/limit-change.js';
import type { LimitOverrides } from '../limits/limit-overrides.js';
import { type LimitKey, type LiveLimits, withLimits } from '../node/live-limits.js';
import { optionEntries } from '../options/given-keys.js';
import { DEFAULT_TEXTS, DEFAULTS, type ResolvedOptions } from '../options/heartbeat.options.js';

const override = z.object({
  scope: z.enum(['node', 'all']).meta({ description: 'Of this node, or of all nodes. That of the node comes first.' }),
  value: z.number(),
  expiresAt: z.string().nullable().meta({ description: 'Null without an end.' }),
  by: wireText,
});

export const configItem = z.object({
  key: wireText.meta({ description: 'Such as `limits.maxPerIp`.' }),
  value: z.unknown().meta({ description: 'The value in force. Secrets are masked; functions and clients are named.' }),
  default: z.unknown().meta({ description: 'The default, or a text that describes it.' }),
  source: z.enum(['default', 'option', 'environment', 'run-time']).meta({ description: 'Where the value was set.' }),
  variable: wireText.optional().meta({ description: 'The variable of the environment that sets the option.' }),
  option: z.unknown().optional().meta({ description: 'The value that applies after overrides. Only with overrides.' }),
  overrides: z.array(override).max(2).optional().meta({ description: 'Changes at run time that have not ended.' }),
});
export type ConfigItem = Readonly<z.output<typeof configItem>>;

/** The facts that the report is made of. */
export interface ConfigFacts {
  readonly options: ResolvedOptions;
  /** The options that were passed. */
  readonly given: ReadonlySet<string>;
  /** The variables of options that the environment sets, by option. */
  readonly variables: Readonly<Record<string, string>>;
  readonly limits: LiveLimits;
  readonly overrides: LimitOverrides;
  readonly clock: Clock;
}

/** Every option with its value in force, its default, and the place where it was set. Bounded, whatever the options are. */
export function configReport({ options, given, variables, limits, overrides, clock }: ConfigFacts): ConfigItem[] {
  const set = new Map(optionEntries(options));
  const standards = new Map(optionEntries(DEFAULTS));
  return optionEntries(withLimits(options, limits)).map(([key, value]): ConfigItem => {
    const variable = variables[key];
    const standard = standards.get(key) ?? DEFAULT_TEXTS[key];
    const found = liveOverrides(key, overrides, clock);
    const ofStart = variable === undefined ? 'option' : 'environment';
    const source = given.has(key) ? ofStart : 'default';
    return {
      key,
      value: shown(key, value),
      default: shown(key, standard),
      source: found.some(each => each.value === value) ? 'run-time' : source,
      ...(variable !== undefined && { variable }),
      ...(found.length > 0 && { option: shown(key, set.get(key)), overrides: found }),
    };
  });
}

function liveOverrides(option: string, overrides: LimitOverrides, clock: Clock): z.output<typeof override>[] {
  const key = LIMIT_KEYS.find(name => option === optionOf(name));
  if (key === undefined) return [];
  const now = clock.now();
  return (['node', 'all'] as const).flatMap(scope => {
    const found = overrides.of(scope).get(key);
    if (found === undefined || found.value === null || found.endsAt <= now) return [];
    const expiresAt = found.endsAt === Infinity ? null : clock.wallTime(found.endsAt).toISOString();
    return [{ scope, value: found.value, expiresAt, by: found.by }];
  });
}

function optionOf(key: LimitKey): string {
  return key === 'refuseAbove' || key === 'shedAbove' ? `load.${key}` : `limits.${key}`;
}

const MAX_ITEMS = 100;
const MAX_CHARACTERS = 500;
/** Options whose values belong to other packages. */
const NAMES: Readonly<Record<string, string>> = { 'cluster.client': 'client', 'metrics.registry': 'registry' };

/** A value as JSON, without secrets, and of bounded size. */
function shown(key: string, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (key in NAMES && typeof value !== 'string') return NAMES[key];
  if (typeof value === 'function') return 'function';
  if (key === 'cluster.redisUrl' && typeof value === 'string') return withoutCredentials(value);
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map(item => shown(key, item));
    return value.length > MAX_ITEMS ? [...items, `… ${value.length - MAX_ITEMS} more`] : items;
  }
  if (typeof value === 'string') return value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value;
  if (typeof value !== 'object') return value;
  // The tokens of admins, the only objects.
  const { name, role } = value as { readonly name?: unknown; readonly role?: unknown };
  return { name, role, token: '***' };
}

/** Only the parts of a URL that hold no secret. */
function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return '***';
  const { protocol, username, password, host, pathname } = new URL(text);
  return `${protocol}//${username + password === '' ? '' : '***@'}${host}${pathname}`;
}
