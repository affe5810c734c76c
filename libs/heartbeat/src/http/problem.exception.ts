import { HttpException } from '@nestjs/common';

import { type ProblemDetails, problemOf } from '../base/problem.js';

/** One fault of a request: a JSON pointer (RFC 6901) into the query or body, and the fault there. */
export interface InputError {
  readonly pointer: string;
  readonly detail: string;
}

/** Problem details that may list several faults at once, or measure the one. */
export interface AdminProblem extends ProblemDetails {
  readonly errors?: readonly InputError[];
  /** The time by which a plan is too long. */
  readonly excessMs?: number;
}

/** An error of one of the library's routes. It may be thrown anywhere in a route, and is sent as problem details. */
export class ProblemException extends HttpException {
  constructor(
    readonly problem: AdminProblem,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(problem, problem.status);
  }
}

/** 404: the requested object does not exist. */
export function notFound(detail: string): ProblemException {
  return new ProblemException(problemOf('not-found', 404, detail));
}

/** 400 that names every fault of the query. */
export function badQuery(errors: readonly InputError[]): ProblemException {
  return badInput('bad-query', errors);
}

/** 400 that names every fault of the body. */
export function badBody(errors: readonly InputError[]): ProblemException {
  return badInput('bad-body', errors);
}

function badInput(name: string, errors: readonly InputError[]): ProblemException {
  const detail = errors.map(error => `${nameAt(error.pointer)} ${error.detail}`).join('; ');
  return new ProblemException({ ...problemOf(name, 400, detail), errors });
}

/** 504: the node that has the information does not reply. */
export function silent(detail: string): ProblemException {
  return new ProblemException(problemOf('node-silent', 504, detail));
}

/** 503: the node serves as many event streams as it can. */
export function tooManyStreams(detail: string, seconds: number): ProblemException {
  return new ProblemException(problemOf('too-many-streams', 503, detail), { 'Retry-After': String(seconds) });
}

/** The pointer to a query parameter, or to a key of the body. */
export function pointerTo(parameter: string): string {
  return `/${parameter.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function nameAt(pointer: string): string {
  if (pointer === '') return 'the body';
  return pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
}
