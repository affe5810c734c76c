import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Refusal } from '../../admission/refusal.js';
import { PROBLEM_JSON, problemOf } from '../../base/problem.js';
import type { answerHeaders } from './handshake-response.js';
import type { OwnAnswer } from './verify-client.js';

/** The time that a refused client has to read the response before its socket is destroyed, in milliseconds. */
export const LINGER_MS = 1000;

/** Statuses whose responses have no body (RFC 9110, section 6.4.1). */
const BODILESS = new Set([204, 304]);

/** Header fields that the application's guards and middleware have set. Those of the answer itself come first. */
type JoinedHeaders = ReturnType<typeof answerHeaders>;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: OutgoingHttpHeaders | undefined;
  readonly joined: JoinedHeaders;
}

/** Responds to a refused upgrade with problem details (RFC 9457), and ends the socket. */
export function answerRefusal(socket: Duplex, refusal: Refusal, joined: JoinedHeaders = []): void {
  const { status } = refusal;
  answerUpgrade(socket, { status, body: bodyOf(refusal), headers: headersOf(refusal), joined });
}

/** Responds in the same form to a refused request that is no upgrade. Headers that are already set stay. */
export function respondRefusal(response: ServerResponse, refusal: Refusal): void {
  const body = bodyOf(refusal);
  response.writeHead(refusal.status, { 'Content-Length': Buffer.byteLength(body), ...headersOf(refusal) }).end(body);
}

function bodyOf({ reason, status, detail }: Refusal): string {
  return JSON.stringify(problemOf(reason, status, detail));
}

function headersOf({ retryAfterMs, headers }: Refusal): OutgoingHttpHeaders {
  return {
    'Content-Type': PROBLEM_JSON,
    ...(retryAfterMs !== undefined && { 'Retry-After': Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
    ...headers,
  };
}

/** Responds to an upgrade that a gateway's `verifyClient` has refused, and ends the socket. */
export function answerAsVerified(socket: Duplex, { status, message, headers }: OwnAnswer, joined: JoinedHeaders): void {
  answerUpgrade(socket, { status, body: message || STATUS_CODES[status] || '', headers, joined });
}

/** Responds to an upgrade by HTTP, and ends the socket. */
function answerUpgrade(socket: Duplex, { status, body, headers, joined }: Answer): void {
  // A client that resets instead of reading must not end the process.
  socket.on('error', () => undefined);
  const content = BODILESS.has(status) ? '' : body;
  const given = {
    Connection: 'close',
    'Content-Type': 'text/html',
    'Content-Length': Buffer.byteLength(content),
    ...headers,
  };
  const all = BODILESS.has(status) ? withoutContent(given) : given;
  const own = new Set(Object.keys(all).map(name => name.toLowerCase()));
  const others = joined.filter(([name]) => !own.has(name));
  const lines = [...Object.entries(all), ...others].map(([name, value]) => `${name}: ${String(value)}`);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  // Further input of the client is discarded: a close with unread bytes would reset the connection and lose the response.
  socket.resume();
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`, ...lines, '', ''].join('\r\n');
  // As Node writes a head.
  socket.end(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(content)]));
}

function withoutContent(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^content-/i.test(name)));
}
