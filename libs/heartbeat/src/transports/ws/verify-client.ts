import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

import { guarded } from '../../connection/lifetime.js';

/** The hook of `ws` with which a gateway accepts or rejects a client. */
export type VerifyClient = (
  info: { readonly origin: string | undefined; readonly secure: boolean; readonly req: IncomingMessage },
  done: (isGood: boolean, status?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => unknown;

/** A gateway's own rejection: the response to send. */
export interface OwnAnswer {
  readonly status: number;
  readonly message?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | undefined;
}

/** A hook and the parameters of its call. */
export interface Question {
  readonly verify: VerifyClient;
  readonly request: IncomingMessage;
  readonly timeoutMs: number;
  readonly failed: (what: string, error: unknown) => void;
}

/**
 * Calls a gateway's own `verifyClient`, as `ws` does, and then `done` once: with the hook's answer, or `timeout` without an answer in time.
 * An error or a rejection of the hook is reported, and counts as a refusal with 500.
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
    // A hook without types may pass the error that it caught, which must not be sent to a client.
    const text = typeof message === 'string' ? message : undefined;
    finish(isGood ? 'good' : { status: status || 401, message: text, headers });
  };
  const settled = async (answer: unknown) => verified(Boolean(await answer));
  const timer = setTimeout(() => finish('timeout'), timeoutMs);
  guarded(
    () => {
      const { headers, socket } = request;
      const origin = headers['sec-websocket-version'] === '8' ? headers['sec-websocket-origin'] : headers.origin;
      const secure = Boolean((socket as { encrypted?: boolean }).encrypted);
      const answer = verify({ origin: origin?.toString(), secure, req: request }, verified);
      // As with `ws`, a hook of fewer than two parameters returns its answer. Here it may also return a promise.
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
