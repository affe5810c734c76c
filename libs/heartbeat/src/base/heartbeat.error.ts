import { inspect } from 'node:util';

/** Stable codes of the errors that this library throws. Programs may compare codes; texts may change. */
export type HeartbeatErrorCode =
  | 'HEARTBEAT_BAD_OPTIONS'
  | 'HEARTBEAT_ADAPTER_MISSING'
  | 'HEARTBEAT_GRAPHQL_MISSING'
  | 'HEARTBEAT_MODULE_MISSING'
  | 'HEARTBEAT_GATEWAY_UNTRACKED'
  | 'HEARTBEAT_PORT_UNAVAILABLE'
  | 'HEARTBEAT_BAD_BAN'
  | 'HEARTBEAT_BAD_BUSY'
  | 'HEARTBEAT_BAD_CLOSE'
  | 'HEARTBEAT_BAD_IDENTITY'
  | 'HEARTBEAT_BAD_LIMITS'
  | 'HEARTBEAT_BAD_QUERY'
  | 'HEARTBEAT_CONNECTION_CLOSED'
  | 'HEARTBEAT_DRAINING'
  | 'HEARTBEAT_MESSAGE_DROPPED'
  | 'HEARTBEAT_MESSAGE_TOO_LARGE'
  | 'HEARTBEAT_NODE_SILENT'
  | 'HEARTBEAT_REDIS_LOST'
  | 'HEARTBEAT_REDIS_MISSING'
  | 'HEARTBEAT_SOCKET_IO_MISSING';

/** One fault of the caller's input: key, value, the broken rule and the remedy. */
export interface Problem {
  /** Dotted path of the option, or name of the parameter. */
  readonly key: string;
  readonly value: unknown;
  readonly rule: string;
  readonly remedy: string;
}

/** The only error class of this library. `code` is stable. `problems` lists every fault of invalid input, not only the first. */
export class HeartbeatError extends Error {
  override readonly name = 'HeartbeatError';

  constructor(
    readonly code: HeartbeatErrorCode,
    message: string,
    readonly problems: readonly Problem[] = [],
  ) {
    super(message);
  }
}

/** A problem on one line: `key is value but rule: remedy`. */
export function describeProblem({ key, value, rule, remedy }: Problem): string {
  return `${key} is ${show(value)} but ${rule}: ${remedy}`;
}

const MAX_SHOWN = 80;

/** A value for a message: on one line and cut, so that a secret is not shown at full length. */
function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  // A description instead of the value, such as "(hidden)".
  if (typeof value === 'string' && /^\([\w ]+\)$/.test(value)) return value;
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 2, breakLength: Infinity });
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
