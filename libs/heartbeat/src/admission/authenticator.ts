import type { Authenticate, GuardOptions } from '../options/guard.options.js';
import type { Attempt } from './attempt.js';
import { type Authentication, identityProblem } from '../base/identity.js';
import type { Refusal } from './refusal.js';

/** The end of work that the application does for an attempt: a result, an error, a timeout, or the client's disconnect. */
type Ended<Answer> =
  | { readonly outcome: 'answered'; readonly answer: Answer }
  | { readonly outcome: 'failed'; readonly error: unknown }
  | { readonly outcome: 'timeout' }
  | { readonly outcome: 'gone' };

/** The end of an authentication. A refusal is that of the application's checks before it. */
export type Authenticated = Ended<Authentication> | { readonly outcome: 'refused'; readonly refusal: Refusal };

/**
 * Runs the checks of an attempt, then requests the client's identity from the application. Each of the two is given up after `timeoutMs`,
 * and when the client disconnects. Never rejects.
 * @param ask Undefined: the client is anonymous.
 */
export async function authenticate(
  ask: Authenticate | undefined,
  attempt: Pick<Attempt, 'request' | 'onGone' | 'checks'>,
  timeoutMs: number,
): Promise<Authenticated> {
  if (attempt.checks !== undefined) {
    const checks = await inTime(attempt.checks, attempt, timeoutMs);
    if (checks.outcome !== 'answered') return checks;
    if (checks.answer !== null) return { outcome: 'refused', refusal: checks.answer };
  }
  if (ask === undefined) return { outcome: 'answered', answer: 'anonymous' };
  return inTime(async signal => checked(await ask(attempt.request, signal)), attempt, timeoutMs);
}

/** The function of the options that returns the identity of a client; undefined where all are anonymous. */
export function askOf(options: Pick<GuardOptions, 'authenticate' | 'identityFromRequest'>): Authenticate | undefined {
  const { authenticate: ask, identityFromRequest } = options;
  if (ask !== undefined || identityFromRequest === undefined) return ask;
  return async request => {
    const identity = await Promise.resolve(identityFromRequest(request));
    if (identity === null) return 'anonymous';
    const problem = identityProblem(identity);
    if (problem === null) return identity;
    throw new TypeError(`identityFromRequest must return { userId, labels?, expiresAt? } or null: ${problem}`);
  };
}

async function inTime<Answer>(
  work: (signal: AbortSignal) => Promise<Answer>,
  attempt: Pick<Attempt, 'onGone'>,
  timeoutMs: number,
): Promise<Ended<Answer>> {
  const controller = new AbortController();
  let outcome: 'timeout' | 'gone' = 'gone';
  const stop = (why: typeof outcome) => {
    outcome = why;
    controller.abort(new Error(`the authentication was given up: ${why}`));
  };
  const stopped = new Promise<Ended<Answer>>(resolve => {
    controller.signal.addEventListener('abort', () => resolve({ outcome }), { once: true });
  });
  const stay = attempt.onGone(() => stop('gone'));
  const timer = setTimeout(() => stop('timeout'), timeoutMs);
  try {
    return await Promise.race([stopped, answerOf(work, controller.signal)]);
  } finally {
    clearTimeout(timer);
    stay();
  }
}

async function answerOf<Answer>(
  work: (signal: AbortSignal) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Ended<Answer>> {
  try {
    return { outcome: 'answered', answer: await work(signal) };
  } catch (error) {
    return { outcome: 'failed', error };
  }
}

/** A value that is not a valid answer is a mistake in the application, and must admit no client. */
function checked(answer: Authentication): Authentication {
  if (answer === null || answer === 'deferred' || answer === 'anonymous') return answer;
  const problem = identityProblem(answer);
  if (problem === null) return answer;
  throw new TypeError(
    `authenticate must return { userId, labels?, expiresAt? }, "deferred", "anonymous" or null: ${problem}`,
  );
}
