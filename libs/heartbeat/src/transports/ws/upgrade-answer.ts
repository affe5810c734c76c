import { type OutgoingHttpHeaders, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Refusal } from '../../admission/refusal.js';
import { PROBLEM_JSON, problemOf } from '../../base/problem.js';

/** How long a refused client has to take its answer before the socket is destroyed. */
export const LINGER_MS = 1000;

/** Answers an upgrade that is not let in (RFC 9457), and ends the socket. */
export function answerRefusal(socket: Duplex, { status, reason, detail, retryAfterMs, headers }: Refusal): void {
  answerUpgrade(socket, status, JSON.stringify(problemOf(reason, status, detail)), {
    'Content-Type': PROBLEM_JSON,
    ...(retryAfterMs !== undefined && { 'Retry-After': Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
    ...headers,
  });
}

/** Answers an upgrade by HTTP, and ends the socket. */
export function answerUpgrade(socket: Duplex, status: number, body: string, headers?: OutgoingHttpHeaders): void {
  // A client that resets instead of reading must not end the process.
  socket.on('error', () => undefined);
  const length = Buffer.byteLength(body);
  const all = { Connection: 'close', 'Content-Type': 'text/html', 'Content-Length': length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}`);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  // What the client may still send is thrown away: closing with unread bytes would reset the line and lose the answer.
  socket.resume();
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
}
