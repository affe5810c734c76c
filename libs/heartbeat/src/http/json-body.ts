import type { IncomingMessage } from 'node:http';

import { problemOf } from '../base/problem.js';
import { badBody, ProblemException } from './problem.exception.js';

/** Maximum length of a body for the library's routes. */
const MAX_BODY_BYTES = 102_400;
/** The headers by which the parsers of the platforms detect a body. */
const BODY_HEADERS = ['content-length', 'transfer-encoding', 'content-type', 'content-encoding'] as const;
type BodyHeaders = Partial<Record<(typeof BODY_HEADERS)[number], string>>;

const detached = new WeakMap<IncomingMessage, BodyHeaders>();

/**
 * Hides the body of a request from the parsers of the application. These run before guards, so the bytes of a client without credentials
 * would be parsed, and it would receive 400 or 413 instead of 401. `readJson` reads the body later.
 */
export function detachBody(request: IncomingMessage): void {
  const kept: BodyHeaders = {};
  for (const name of BODY_HEADERS) {
    const value = request.headers[name];
    if (value !== undefined) kept[name] = value;
    delete request.headers[name];
  }
  detached.set(request, kept);
}

/** Whether `detachBody` kept the body of this request. */
export function isDetached(request: IncomingMessage): boolean {
  return detached.has(request);
}

/**
 * The body that `detachBody` kept, parsed as JSON; undefined without one.
 * @throws ProblemException 415 for another media type or an encoding, 413 for more than 100 KiB, 400 `bad-body` for a body that is not
 * JSON.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const headers = detached.get(request) ?? {};
  const announced = Number(headers['content-length'] ?? 0);
  if (announced === 0 && headers['transfer-encoding'] === undefined) return undefined;
  if (!isJson(headers['content-type']))
    throw unsupported('the body must be JSON, sent with Content-Type: application/json');
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw unsupported('the body must not be compressed');
  if (announced > MAX_BODY_BYTES) throw tooLarge();
  const text = await textOf(request);
  try {
    return JSON.parse(text);
  } catch {
    throw badBody([{ pointer: '', detail: 'is not valid JSON in UTF-8' }]);
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // The stream is left open: the response needs its socket, and Node drops the rest of the body.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ProblemException) throw error;
    throw badBody([{ pointer: '', detail: 'ended before it was complete' }]);
  }
  return decoded(Buffer.concat(chunks));
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badBody([{ pointer: '', detail: 'is not valid JSON in UTF-8' }]);
  }
}

function isJson(contentType = ''): boolean {
  return /^application\/json *(;|$)/i.test(contentType.trim());
}

function unsupported(detail: string): ProblemException {
  return new ProblemException(problemOf('unsupported-media-type', 415, detail));
}

/** The connection is closed after the response, since reading the rest would be the work that the limit avoids. */
function tooLarge(): ProblemException {
  const detail = `The body has more than ${MAX_BODY_BYTES} bytes.`;
  return new ProblemException(problemOf('content-too-large', 413, detail), { Connection: 'close' });
}
