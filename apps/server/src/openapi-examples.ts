import { STATUS_CODES } from 'node:http';

const NODE = 'node-1-9f86d081';

/** One problem for each status; a 503 is that of a heap snapshot. */
const PROBLEMS: Readonly<Record<number, readonly [name: string, detail: string, more?: object]>> = {
  400: [
    'bad-query',
    'limit must be a whole number from 1 to 500',
    { errors: [{ pointer: '/limit', detail: 'must be a whole number from 1 to 500' }] },
  ],
  401: ['unauthenticated', 'No token, or a wrong one: send it as "Authorization: Bearer <token>".'],
  403: [
    'forbidden',
    'The token "viewer" is a viewer\'s and may only read: use an operator\'s token to change anything.',
  ],
  404: ['not-found', 'There is no open connection with this id.'],
  409: ['drain-under-way', `${NODE} drains already (by hand: ops), with 42 of 120 connections left.`],
  429: ['too-many-failures', 'Too many wrong tokens came from your address within a minute: try again in 42 s.'],
  503: ['insufficient-disk', 'The folder for temporary files has too little space for a snapshot.'],
  504: ['node-silent', 'The node does not respond: try again in a moment.'],
};

/** A refusal with a status. */
export function problemExample(status: number): object | undefined {
  const problem = PROBLEMS[status];
  if (problem === undefined) return undefined;
  const [name, detail, more] = problem;
  return { type: `urn:nestjs-heartbeat:problem:${name}`, title: STATUS_CODES[status], status, detail, ...more };
}

/** A kick that a node has confirmed, and one that it has not. */
export const KICK_EXAMPLES = {
  200: { id: `${NODE}.00000001`, node: NODE, closing: true },
  202: { id: `${NODE}.00000001`, node: NODE, closing: false, confirmed: false },
} as const;

const readiness = { node: NODE, connections: 120, maxConnections: 10_000 };
const UP = {
  heartbeat: { status: 'up', sinceTickMs: 12, intervalMs: 25_000 },
  readiness: { status: 'up', ...readiness },
  startup: { status: 'up', node: NODE },
};
const DOWN: Readonly<Record<keyof typeof UP, object>> = {
  heartbeat: {
    status: 'down',
    sinceTickMs: 12_345,
    intervalMs: 25_000,
    message: "the heartbeat's tick has stopped 12345 ms ago",
  },
  readiness: { status: 'down', ...readiness, remaining: 120, reasons: ['draining'], message: 'draining' },
  startup: { status: 'down', node: NODE, message: 'starting' },
};
const INDICATORS: Readonly<Record<string, readonly (keyof typeof UP)[]>> = {
  healthLive: ['heartbeat'],
  healthReady: ['readiness'],
  healthStartup: ['startup'],
};

/**
 * A report of the health route with this operation id: all indicators up at 200; at 503 one of them down, of all the readiness.
 */
export function healthExample(operationId: string, status: 200 | 503): object {
  const names = INDICATORS[operationId] ?? (['heartbeat', 'readiness', 'startup'] as const);
  const down = status === 200 ? [] : names.length === 1 ? names : (['readiness'] as const);
  const error = Object.fromEntries(down.map(name => [name, DOWN[name]]));
  const info = Object.fromEntries(names.filter(name => !down.includes(name)).map(name => [name, UP[name]]));
  return { status: status === 200 ? 'ok' : 'error', info, error, details: { ...info, ...error } };
}

/** A flight record, and the end of a connection with its own. */
export const FLIGHT_EXAMPLE = [{ at: '2026-01-31T12:00:00.000Z', what: 'opened', kind: 'opened' }];
export const CLOSE_EXAMPLE = {
  closedAt: '2026-01-31T12:01:00.000Z',
  durationMs: 60_000,
  code: 4500,
  reason: 'kicked',
  closedBy: 'operator',
  verdict: 'An operator (ops) kicked it with 4500 and the reason "kicked" at 2026-01-31T12:01:00.000Z.',
  flight: [
    ...FLIGHT_EXAMPLE,
    { at: '2026-01-31T12:01:00.000Z', what: 'kicked by ops', kind: 'kicked', by: 'ops' },
    {
      at: '2026-01-31T12:01:00.000Z',
      what: 'closed with 4500 "kicked" by an operator',
      kind: 'closed',
      code: 4500,
      reason: 'kicked',
      by: 'operator',
    },
  ],
} as const;
