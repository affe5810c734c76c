import { STATUS_CODES } from 'node:http';

import { HttpException, Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import type { Clock } from '../base/clock.js';
import { HEARTBEAT_CLOCK } from '../base/heartbeat.tokens.js';
import { LimitedLogger } from '../base/limited-logger.js';
import { PROBLEM_JSON, problemOf } from '../base/problem.js';
import { ProblemException } from './problem.exception.js';

/** The errors of Express, its parsers and Fastify: they contain a status. */
interface StatusError {
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly message?: unknown;
}

/** Converts errors into RFC 9457 problem details and sends them. An unexpected error is logged, and its text is not sent to the client. */
@Injectable()
export class Problems implements OnApplicationShutdown {
  readonly #log: LimitedLogger;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(HEARTBEAT_CLOCK) clock: Clock,
  ) {
    this.#log = new LimitedLogger('HeartbeatAdmin', clock);
  }

  onApplicationShutdown(): void {
    this.#log.close();
  }

  /** @param error An error of the library, of Nest (guards and pipes of the application throw these), or of the HTTP platform. */
  of(error: unknown): ProblemException {
    if (error instanceof ProblemException) return error;
    if (error instanceof HttpException) {
      const status = error.getStatus();
      return new ProblemException(problemOf(nameOf(status), status, detailOf(error)));
    }
    const status = clientErrorOf(error);
    if (status !== null) return new ProblemException(problemOf(nameOf(status), status, platformDetail(status)));
    this.#log.error('an HTTP route failed', 'an HTTP route failed', error);
    return new ProblemException(problemOf('internal-error', 500, 'The server failed to answer; its log says why.'));
  }

  /** Sends the problem, unless a response was begun. */
  answer(response: object, { problem, headers }: ProblemException): void {
    const { httpAdapter } = this.adapterHost;
    if (httpAdapter.isHeadersSent(response)) return void httpAdapter.end(response);
    const all = { ...headers, 'Cache-Control': 'no-store', 'Content-Type': PROBLEM_JSON };
    for (const [name, value] of Object.entries(all)) httpAdapter.setHeader(response, name, value);
    httpAdapter.status(response, problem.status);
    // With a status here, Nest 11 on Express replaces a content type other than `application/json`.
    httpAdapter.reply(response, problem);
  }
}

/** Nest's own exceptions contain one message, or a list of them. */
function detailOf(error: HttpException): string {
  const { message = error.message } = Object(error.getResponse()) as { message?: string | string[] };
  return [message].flat().join('; ');
}

/** The status of a platform error that the client caused; null for any other error. */
function clientErrorOf(error: unknown): number | null {
  if (error instanceof URIError) return 400;
  const { status, statusCode = status } = Object(error) as StatusError;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : null;
}

/** The texts of the platforms may repeat bytes of the client, so they are not used. */
function platformDetail(status: number): string {
  return `The request was refused before a route was reached: ${STATUS_CODES[status] ?? 'client error'}.`;
}

/** The name of a problem that has only a status: `Not Found` becomes `not-found`. */
function nameOf(status: number): string {
  return (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(/[^a-z]+/g, '-');
}
