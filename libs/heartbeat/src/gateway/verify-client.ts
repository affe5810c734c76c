import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

import type { Refusal } from '../admission/refusal.js';
import { guarded } from '../connection/lifetime.js';
import { PROBLEM_JSON, problemOf } from '../problem.js';

/** The hook of `ws` with which a gateway may say who comes in. */
export type VerifyClient = (
  info: { readonly req: IncomingMessage },
  done: (isGood: boolean, status?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => unknown;

/**
 * A gateway's own `verifyClient`, made safe: it may take its time, and others may come in meanwhile, so `recheck` looks at the
 * limits once more; what it throws or rejects with refuses this client only, and so does no answer in `timeoutMs`.
 */
export function recheckAfter(
  verify: VerifyClient,
  timeoutMs: number,
  recheck: (request: IncomingMessage) => Refusal | null,
  failed: (what: string, error: unknown) => void,
): VerifyClient {
  return (info, done) => {
    let isDone = false;
    const refuse = (what: string, error: unknown) => {
      failed(what, error);
      done(false, 500);
    };
    const verified: Parameters<VerifyClient>[1] = (isGood, ...answer) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      const refusal = isGood ? recheck(info.req) : null;
      // The app's other hooks of the handshake run in here.
      if (refusal === null) return guarded(() => done(isGood, ...answer), 'the handshake', refuse);
      const { status, reason, detail, retryAfterSeconds = 1 } = refusal;
      const headers = { 'Content-Type': PROBLEM_JSON, 'Retry-After': String(retryAfterSeconds) };
      done(false, status, JSON.stringify(problemOf(reason, status, detail)), headers);
    };
    const settled = async (answer: unknown) => verified(Boolean(await answer));
    const timer = setTimeout(() => verified(false, 503), timeoutMs);
    guarded(
      () => {
        const answer = verify(info, verified);
        // As `ws` has it, what has fewer than two parameters answers by what it returns; to us also by a promise.
        if (verify.length >= 2) return answer;
        return typeof answer === 'boolean' ? verified(answer) : settled(answer);
      },
      'verifyClient',
      (what, error) => {
        failed(what, error);
        verified(false, 500);
      },
    );
  };
}
