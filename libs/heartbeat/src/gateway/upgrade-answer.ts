import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Refusal } from '../admission/refusal.js';
import { PROBLEM_JSON, problemOf } from '../problem.js';

/** How long a refused client has to take its answer before the socket is destroyed. */
const LINGER_MS = 1000;

/** Answers an upgrade that is not let in (RFC 9457), and ends the socket. */
export function answerRefusal(
  socket: Duplex,
  { status, reason, detail, retryAfterSeconds, headers = {} }: Refusal,
): void {
  const body = JSON.stringify(problemOf(reason, status, detail));
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    `Content-Type: ${PROBLEM_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfterSeconds === undefined ? [] : [`Retry-After: ${retryAfterSeconds}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  // What the client may still send is thrown away: closing with unread bytes would reset the line and lose the answer.
  socket.resume();
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
