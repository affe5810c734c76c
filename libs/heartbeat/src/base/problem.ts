import { STATUS_CODES } from 'node:http';

/** An error as RFC 9457 problem details. */
export interface ProblemDetails {
  /** `urn:nestjs-heartbeat:problem:<name>`: stable, for programs. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What was wrong, and what to do. */
  readonly detail: string;
}

/** The one media type of all our error answers. */
export const PROBLEM_JSON = 'application/problem+json';

/** @param name What `type` ends in, such as `at-capacity`. */
export function problemOf(name: string, status: number, detail: string): ProblemDetails {
  return { type: `urn:nestjs-heartbeat:problem:${name}`, title: STATUS_CODES[status] ?? 'Error', status, detail };
}
