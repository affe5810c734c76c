import type { IncomingMessage } from 'node:http';

import type { Authenticate } from '../options/guard.options.js';
import type { Attempt } from './attempt.js';
import { type Authentication, identityProblem } from '../base/identity.js';

/** The end of an authentication: an answer, an error of the application's code, a timeout, or the client's disconnect. */
export type Authenticated =
  | { readonly outcome: 'answered'; readonly answer: Authentication }
  | { readonly outcome: 'failed'; readonly error: unknown }
  | { readonly outcome: 'timeout' }
  | { readonly outcome: 'gone' };

/** Requests a client's identity from the application, and stops after `timeoutMs` or when the client disconnects. Never rejects. */
export async function authenticate(
  ask: Authenticate,
  attempt: Pick<Attempt, 'request' | 'onGone'>,
  timeoutMs: number,
): Promise<Authenticated> {
  const controller = new AbortController();
  let outcome: 'timeout' | 'gone' = 'gone';
  const stop = (why: typeof outcome) => {
    outcome = why;
    controller.abort(new Error(`the authentication was given up: ${why}`));
  };
  const stopped = new Promise<Authenticated>(resolve => {
    controller.signal.addEventListener('abort', () => resolve({ outcome }), { once: true });
  });
  const stay = attempt.onGone(() => stop('gone'));
  const timer = setTimeout(() => stop('timeout'), timeoutMs);
  try {
    return await Promise.race([stopped, answerOf(ask, attempt.request, controller.signal)]);
  } finally {
    clearTimeout(timer);
    stay();
  }
}

async function answerOf(ask: Authenticate, request: IncomingMessage, signal: AbortSignal): Promise<Authenticated> {
  try {
    return { outcome: 'answered', answer: checked(await ask(request, signal)) };
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
