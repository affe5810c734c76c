import { STATUS_CODES } from 'node:http';

import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { PROBLEM_JSON, problemOf } from '../problem.js';
import { ProblemException } from './problem.exception.js';

/** Answers every error of the admin routes as RFC 9457 problem details; what nobody foresaw is logged, and told to no client. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger('HeartbeatAdmin');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const response = host.switchToHttp().getResponse<object>();
    const { problem, headers } = this.#toProblem(error);
    if (httpAdapter.isHeadersSent(response)) return void httpAdapter.end(response);
    const all = { ...headers, 'Cache-Control': 'no-store', 'Content-Type': PROBLEM_JSON };
    for (const [name, value] of Object.entries(all)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, problem, problem.status);
  }

  #toProblem(error: unknown): ProblemException {
    if (error instanceof ProblemException) return error;
    // An application's own guard throws Nest's exceptions, or answers false, which Nest makes a 403; so do its global pipes.
    if (error instanceof HttpException) {
      const status = error.getStatus();
      return new ProblemException(problemOf(nameOf(status), status, detailOf(error)));
    }
    this.#logger.error(error);
    return new ProblemException(problemOf('internal-error', 500, 'The server failed to answer; its log says why.'));
  }
}

/** Nest's own exceptions carry one message, or a list of them. */
function detailOf(error: HttpException): string {
  const { message = error.message } = error.getResponse() as { message?: string | string[] };
  return [message].flat().join('; ');
}

/** The name of a problem that is known by its status only: `Not Found` becomes `not-found`. */
function nameOf(status: number): string {
  return (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(/[^a-z]+/g, '-');
}
