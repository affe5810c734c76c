import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

import { guarded } from '../../connection/lifetime.js';

/** The hook of `ws` with which a gateway may say who comes in. */
export type VerifyClient = (
  info: { readonly origin: string | undefined; readonly secure: boolean; readonly req: IncomingMessage },
  done: (isGood: boolean, status?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => unknown;

/** A gateway's own "no": what it answers with. */
export interface OwnAnswer {
  readonly status: number;
  readonly message?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | undefined;
}

/** A hook, and how it is asked. */
export interface Question {
  readonly verify: VerifyClient;
  readonly request: IncomingMessage;
  readonly timeoutMs: number;
  readonly failed: (what: string, error: unknown) => void;
}

/**
 * Asks a gateway's own `verifyClient`, as `ws` does, and calls `done` once: with what it says, or `timeout` without an answer in
 * time. What it throws or rejects with is reported, and is a "no" with 500.
 */
export function askVerifyClient(
  { verify, request, timeoutMs, failed }: Question,
  done: (answer: 'good' | 'timeout' | OwnAnswer) => void,
): void {
  let isDone = false;
  const finish: typeof done = answer => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    done(answer);
  };
  const verified: Parameters<VerifyClient>[1] = (isGood, status, message, headers) => {
    // A hook without types may give the error that it caught: that is no text for a client.
    const words = typeof message === 'string' ? message : undefined;
    finish(isGood ? 'good' : { status: status || 401, message: words, headers });
  };
  const settled = async (answer: unknown) => verified(Boolean(await answer));
  const timer = setTimeout(() => finish('timeout'), timeoutMs);
  guarded(
    () => {
      const { headers, socket } = request;
      const origin = headers['sec-websocket-version'] === '8' ? headers['sec-websocket-origin'] : headers.origin;
      const secure = Boolean((socket as { encrypted?: boolean }).encrypted);
      const answer = verify({ origin: origin?.toString(), secure, req: request }, verified);
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
}
