import { CloseCodes } from '../close-code.js';
import type { RefusalReason } from '../heartbeat.events.js';

/** An upgrade that is not let in: the HTTP answer, or the close code where that was asked for. */
export interface Refusal {
  readonly status: number;
  readonly reason: RefusalReason;
  readonly detail: string;
  /** For 429 and 503, in seconds. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** When to try again where nothing better is known, in seconds. */
const RETRY_AFTER_SECONDS = 5;

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
  originRefused: (origin: string): Refusal => ({
    status: 403,
    reason: 'origin-refused',
    detail: `Pages of ${origin} may not connect here: the server's option "origins" decides.`,
  }),
  banned: (reason: string): Refusal => ({ status: 403, reason: 'banned', detail: reason }),
  noSuchPath: (path: string): Refusal => ({
    status: 404,
    reason: 'no-such-path',
    detail: `No WebSocket is served at ${path}: correct the path.`,
  }),
  ipLimit: (limit: number): Refusal => ({
    status: 429,
    reason: 'ip-limit',
    detail: `Your address has all the ${limit} connections that it may have: close one first.`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  }),
  userLimit: (limit: number): Refusal => ({
    status: 429,
    reason: 'user-limit',
    detail: `This user has all the ${limit} connections that it may have: close one first.`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  }),
  upgradeRate: (waitMs: number): Refusal => ({
    status: 429,
    reason: 'upgrade-rate',
    detail: 'Too many upgrades at once: connect more slowly.',
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  }),
  atCapacity: (limit: number): Refusal => ({
    status: 503,
    reason: 'at-capacity',
    detail: `This node holds all the ${limit} connections that it may: try again later.`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  }),
  draining: (delayMs: number): Refusal => ({
    status: 503,
    reason: 'draining',
    detail: 'The server is going away: connect again, to another node.',
    retryAfterSeconds: Math.max(1, Math.ceil(delayMs / 1000)),
  }),
  overloaded: (): Refusal => ({
    status: 503,
    reason: 'overloaded',
    detail: 'The server has more to do than it can: try again later.',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  }),
  authenticationTimeout: (limitMs: number): Refusal => ({
    status: 503,
    reason: 'authentication-timeout',
    detail: `Nobody could say within ${limitMs} ms who you are: try again later.`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  }),
  starting: (): Refusal => ({
    status: 503,
    reason: 'starting',
    detail: 'The server is starting: try again in a moment.',
    retryAfterSeconds: 1,
  }),
};

/** The close code that says the same as a refusal, where `refuseWith` is `close`; null for what only HTTP can answer. */
export function closeCodeOf({ reason }: Refusal): number | null {
  if (reason === 'bad-upgrade' || reason === 'no-such-path') return null;
  if (reason === 'banned') return CloseCodes.banned.code;
  if (reason === 'unauthenticated' || reason === 'origin-refused') return CloseCodes.unauthenticated.code;
  if (reason === 'draining') return CloseCodes.goingAway.code;
  return CloseCodes.tryAgainLater.code;
}
