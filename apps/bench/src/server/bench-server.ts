import type { DialectName } from '../client/dialect.js';

/** The servers that are compared, in the order of the table. */
export const SERVER_NAMES = [
  'ws',
  'ws-recipe',
  'ws-spread',
  'nest',
  'nest-recipe',
  'socket-io',
  'nest-io',
  'heartbeat',
  'heartbeat-users',
  'heartbeat-io',
] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export interface ServerTrait {
  /** As it is shown. */
  readonly title: string;
  readonly dialect: DialectName;
}

export const SERVERS: Readonly<Record<ServerName, ServerTrait>> = {
  ws: { title: 'ws', dialect: 'json' },
  'ws-recipe': { title: 'ws + recipe', dialect: 'json' },
  'ws-spread': { title: 'ws + spread', dialect: 'json' },
  nest: { title: 'Nest', dialect: 'json' },
  'nest-recipe': { title: 'Nest + recipe', dialect: 'json' },
  'socket-io': { title: 'Socket.IO', dialect: 'socket.io' },
  'nest-io': { title: 'Nest + Socket.IO', dialect: 'socket.io' },
  heartbeat: { title: 'heartbeat', dialect: 'json' },
  'heartbeat-users': { title: 'heartbeat, with users', dialect: 'json' },
  'heartbeat-io': { title: 'heartbeat + Socket.IO', dialect: 'socket.io' },
};

export interface ServerOrder {
  readonly name: ServerName;
  readonly intervalMs: number;
  /** How many clients will come. */
  readonly connections: number;
  /** The time over which a drain spreads its closes. */
  readonly drainSpreadMs: number;
}

/** The methods of every server of the bench. Methods of some servers are called on those only. */
export interface BenchServer {
  readonly port: number;
  /** Sends `text` to every client. */
  broadcast(text: string): void;
  /** Switches the heartbeats off and on, in the running server. */
  beat?(on: boolean): void;
  /** Closes all connections; returns the time of its start, on the machine's monotonic clock. */
  drain?(): number;
}

/** Contract, section 3: the same promise for ours as the recipe keeps, two intervals at most, plus a second. */
export function pongTimeoutOf(intervalMs: number): number {
  return Math.floor(intervalMs * 0.4);
}

/** Of the admin routes of ours; the server is reached from this machine only, and for a minute. */
export const VIEWER_TOKEN = 'a-token-of-the-bench-0123456789';
