import { CloseCodes, closeReason } from '../protocol/close-code.js';
import type { Identity } from '../base/identity.js';
import type { RefusalReason } from '../connection/heartbeat.events.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';

/** The refusal of an upgrade: the HTTP response, or the close code where that is configured. */
export interface Refusal {
  readonly status: number;
  readonly reason: RefusalReason;
  readonly detail: string;
  /** The advised delay, for 429 and 503. */
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The user that was refused, where it was known. */
  readonly userId?: string;
}

/** The part of a refusal that is published. */
export type RefusedAs = Pick<Refusal, 'status' | 'reason' | 'userId'>;

/** The bounds of a random delay where no better one is known. `drain.returnWindowMs` may raise the upper one. */
const MIN_DELAY_MS = 2000;
const MAX_DELAY_MS = 8000;
/** The delay while the application starts, since other nodes may not be free then. */
const STARTING_MS = 1000;

/** A random delay for one refused client, so that clients that were refused together do not reconnect together. */
export function drawDelay(returnWindowMs: number, random: () => number): number {
  return Math.round(MIN_DELAY_MS + random() * (Math.max(MAX_DELAY_MS, returnWindowMs) - MIN_DELAY_MS));
}

export const refusals = {
  badUpgrade: (fault: string): Refusal => ({
    status: 400,
    reason: 'bad-upgrade',
    detail: `This is not a valid WebSocket upgrade: ${fault} (RFC 6455, section 4.2.1).`,
    headers: { 'Sec-WebSocket-Version': '13, 8' },
  }),
  unauthenticated: (detail: string): Refusal => ({
    status: 401,
    reason: 'unauthenticated',
    detail,
    headers: { 'WWW-Authenticate': 'Bearer' },
  }),
  originRefused: (named: string, option = 'origins'): Refusal => ({
    status: 403,
    reason: 'origin-refused',
    detail:
      option === 'hosts'
        ? `The server is not configured for the host ${named}: its option "hosts" decides.`
        : `Pages of ${named} may not connect here: the server's option "${option}" decides.`,
  }),
  banned: (reason: string): Refusal => ({ status: 403, reason: 'banned', detail: reason }),
  /** The answer of a handshake guard or middleware of the application. */
  guardRefused: (status: number, detail: string): Refusal => ({ status, reason: 'guard-refused', detail }),
  noSuchPath: (path: string): Refusal => ({
    status: 404,
    reason: 'no-such-path',
    detail: `No WebSocket is served at ${path}: correct the path.`,
  }),
  ipLimit: (limit: number, retryAfterMs: number): Refusal => ({
    status: 429,
    reason: 'ip-limit',
    detail: `Your address has reached its limit of ${limit} connections: close one first.`,
    retryAfterMs,
  }),
  userLimit: (limit: number, retryAfterMs: number): Refusal => ({
    status: 429,
    reason: 'user-limit',
    detail: `This user has reached its limit of ${limit} connections: close one first.`,
    retryAfterMs,
  }),
  upgradeRate: (waitMs: number): Refusal => ({
    status: 429,
    reason: 'upgrade-rate',
    detail: 'Too many upgrades at once: connect more slowly.',
    retryAfterMs: Math.ceil(waitMs),
  }),
  atCapacity: (limit: number, retryAfterMs: number): Refusal => ({
    status: 503,
    reason: 'at-capacity',
    detail: `This node has reached its limit of ${limit} connections: try again later.`,
    retryAfterMs,
  }),
  draining: (retryAfterMs: number): Refusal => ({
    status: 503,
    reason: 'draining',
    detail: 'The server is going away: connect again, to another node.',
    retryAfterMs,
  }),
  overloaded: (retryAfterMs: number): Refusal => ({
    status: 503,
    reason: 'overloaded',
    detail: 'The server is overloaded: try again later.',
    retryAfterMs,
  }),
  authenticationTimeout: (limitMs: number, retryAfterMs: number): Refusal => ({
    status: 503,
    reason: 'authentication-timeout',
    detail: `The credentials were not verified within ${limitMs} ms: try again later.`,
    retryAfterMs,
  }),
  starting: (): Refusal => ({
    status: 503,
    reason: 'starting',
    detail: 'The server is starting: try again in a moment.',
    retryAfterMs: STARTING_MS,
  }),
};

/** The same verdict with the user of a refused client, where that is known. */
export function ofUser<Verdict extends object | null>(verdict: Verdict, identity: Identity | null): Verdict {
  const isRefusal = verdict !== null && 'status' in verdict;
  return isRefusal && identity !== null ? { ...verdict, userId: identity.userId } : verdict;
}

/** Statuses after which the same request may succeed (RFC 9110, section 15.5.9; RFC 8470; RFC 6585). */
const MAY_RETRY: ReadonlySet<number> = new Set([408, 425, 429]);

/** The options that decide about close codes. */
type CloseOptions = {
  readonly [Group in 'load' | 'drain']: Pick<ResolvedOptions[Group], 'closeCode'>;
};

/** The close of a refused client after a finished upgrade. */
export interface RefusalClose {
  readonly code: number;
  readonly reason: string;
}

/**
 * The close frame of a refusal where `refuseWith` is `close`. Returns null for a refusal that is only possible by HTTP. The text is the
 * operator's for a ban, and the end of the problem's type otherwise.
 * @param options For `load.closeCode` and `drain.closeCode`.
 */
export function closeOf({ reason, status, detail, retryAfterMs }: Refusal, options: CloseOptions): RefusalClose | null {
  if (reason === 'bad-upgrade' || reason === 'no-such-path') return null;
  const words = reason === 'banned' ? detail || reason : reason;
  return { code: codeOf({ reason, status }, options), reason: closeReason(words, retryAfterMs) };
}

/** Whether another node could serve the client. */
export function isOfThisNode({ reason }: Refusal): boolean {
  return reason === 'draining' || reason === 'overloaded' || reason === 'at-capacity' || reason === 'starting';
}

function codeOf({ reason, status }: Pick<Refusal, 'reason' | 'status'>, { load, drain }: CloseOptions): number {
  if (reason === 'banned') return CloseCodes.banned.code;
  if (reason === 'guard-refused' && status < 500 && !MAY_RETRY.has(status)) return CloseCodes.unauthenticated.code;
  if (reason === 'unauthenticated' || reason === 'origin-refused') return CloseCodes.unauthenticated.code;
  return reason === 'draining' ? drain.closeCode : load.closeCode;
}

/** The advice of a refusal with 401. */
export const UNKNOWN_CLIENT = 'The credentials are missing or invalid: send valid ones.';
export const EXPIRED = 'Your credentials have expired: send new ones.';
