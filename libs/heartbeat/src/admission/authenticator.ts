import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Authenticate } from '../options/guard.options.js';
import { type Authentication, identityProblem } from '../base/identity.js';

/** How an authentication ended: an answer, an error of the app's code, too late, or nobody is there to be told. */
export type Authenticated =
  | { readonly outcome: 'answered'; readonly answer: Authentication }
  | { readonly outcome: 'failed'; readonly error: unknown }
  | { readonly outcome: 'timeout' }
  | { readonly outcome: 'gone' };

/**
 * Asks the app who a client is, and gives up after `timeoutMs` or when the client has gone. Never rejects.
 */
export async function authenticate(
  ask: Authenticate,
  request: IncomingMessage,
  socket: Duplex,
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
  const onClose = () => stop('gone');
  socket.once('close', onClose);
  const timer = setTimeout(() => stop('timeout'), timeoutMs);
  try {
    return await Promise.race([stopped, answerOf(ask, request, controller.signal)]);
  } finally {
    clearTimeout(timer);
    socket.off('close', onClose);
  }
}

async function answerOf(ask: Authenticate, request: IncomingMessage, signal: AbortSignal): Promise<Authenticated> {
  try {
    return { outcome: 'answered', answer: checked(await ask(request, signal)) };
  } catch (error) {
    return { outcome: 'failed', error };
  }
}

/** What is no answer is a mistake in the app: it must not let anybody in. */
function checked(answer: Authentication): Authentication {
  if (answer === null || answer === 'deferred' || answer === 'anonymous') return answer;
  const problem = identityProblem(answer);
  if (problem === null) return answer;
  throw new TypeError(
    `authenticate must return { userId, labels?, expiresAt? }, "deferred", "anonymous" or null: ${problem}`,
  );
}
