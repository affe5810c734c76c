import { STATUS_CODES } from 'node:http';

/** An error as RFC 9457 problem details. */
export interface ProblemDetails {
  /** `urn:nestjs-heartbeat:problem:<name>`: stable, to be compared by programs. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** The fault and the remedy. */
  readonly detail: string;
}

/** The media type of all error responses of this library. */
export const PROBLEM_JSON = 'application/problem+json';

/** @param name The end of `type`, such as `at-capacity`. */
export function problemOf(name: string, status: number, detail: string): ProblemDetails {
  return { type: `urn:nestjs-heartbeat:problem:${name}`, title: STATUS_CODES[status] ?? 'Error', status, detail };
}
