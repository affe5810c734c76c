import { HeartbeatError, type Problem } from '../base/heartbeat.error.js';
import { type BanKind, type BanTarget, targetOf } from './ban-index.js';

/** The shortest prefixes of a ban without `force`. */
const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const;
/** A ban needs `force` if it matches more than this share of the connections, where there are more than this number. */
const WIDE_SHARE = 0.1;
const FEW_CONNECTIONS = 100;

/**
 * The target of a ban.
 * @throws HeartbeatError `HEARTBEAT_BAD_BAN` for a value that is not of its kind, or an invalid time.
 */
export function assertBan(ban: Checked): BanTarget {
  const target = targetOf(ban.kind, ban.value);
  const fault = faultOfBan(ban, target);
  if (target !== null && fault === null) return target;
  const { key, rule, remedy } = fault!;
  throw new HeartbeatError('HEARTBEAT_BAD_BAN', `${key} ${rule}: ${remedy}`, [fault!]);
}

/** The fault of a ban whose value has the target `target`; null without one. */
export function faultOfBan({ kind, value, forMs }: Checked, target: BanTarget | null): Problem | null {
  if (!Number.isSafeInteger(forMs) || forMs < 1) {
    return { key: 'forMs', value: forMs, rule: 'must be a whole number of milliseconds above 0', remedy: 'correct it' };
  }
  return target === null ? { key: 'value', value, ...VALUES[kind] } : null;
}

interface Checked {
  readonly kind: BanKind;
  readonly value: string;
  readonly forMs: number;
}

const VALUES: Readonly<Record<BanKind, Pick<Problem, 'rule' | 'remedy'>>> = {
  ip: { rule: 'must be an address for the kind "ip"', remedy: 'for a network use the kind "cidr"' },
  cidr: { rule: 'must be a CIDR such as "10.0.0.0/8"', remedy: 'for one address use the kind "ip"' },
  user: { rule: "must be a user's id", remedy: 'give one; anonymous clients are banned by address' },
};

/** The reason why a network is too wide for a ban without `force`; null for other networks, and for a user. */
export function faultOfWidth(target: BanTarget): string | null {
  if ('user' in target) return null;
  const { family, prefix } = target.network;
  const shortest = SHORTEST_PREFIX[family];
  if (prefix >= shortest) return null;
  return `The prefix /${prefix} is shorter than /${shortest}, the shortest for IPv${family} without "force": true.`;
}

/** The reason why a ban that matches `met` of `all` connections needs `force`; null for other bans. */
export function faultOfReach(met: number, all: number): string | null {
  if (all <= FEW_CONNECTIONS || met <= all * WIDE_SHARE) return null;
  return `The ban would close ${met} of ${all} connections, which is more than a tenth: this needs "force": true.`;
}
