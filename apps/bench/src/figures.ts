import type { ServerName } from './server/bench-server.js';

/** A goal: an upper or lower bound, absolute or as a share of another server's figure of the same round. */
export interface Goal {
  /** The server that it is set for. Default: `heartbeat`. */
  readonly of?: ServerName;
  readonly against?: ServerName;
  readonly most?: number;
  readonly least?: number;
}

export interface FigureTrait {
  readonly title: string;
  readonly unit: string;
  readonly goals?: readonly Goal[];
  /** Whether it is drawn. */
  readonly drawn?: boolean;
}

/** The rows of the table: every figure that a measure may find, in the order in which they are shown. */
const TRAITS = {
  accept: {
    title: 'accept, CPU for each',
    unit: 'µs',
    goals: [
      { against: 'nest', most: 0.9 },
      { against: 'ws', most: 1.4 },
    ],
    drawn: true,
  },
  heap: {
    title: 'heap for each idle connection',
    unit: 'bytes',
    goals: [
      { against: 'nest', most: 0.35 },
      { against: 'ws', most: 1.3 },
      { of: 'heartbeat-io', against: 'nest-io', most: 1.1 },
    ],
    drawn: true,
  },
  resident: { title: 'resident memory for each', unit: 'bytes' },
  departure: { title: 'heap after all clients left, beyond the start', unit: '%', goals: [{ most: 2 }] },
  idleHeartbeats: {
    title: 'CPU for 1,000 heartbeats, idle',
    unit: 'ms',
    goals: [
      { against: 'socket-io', most: 1 },
      { against: 'ws-spread', most: 1.2 },
    ],
    drawn: true,
  },
  busyHeartbeats: {
    title: 'CPU for 1,000 heartbeats, 30 % of the connections talking',
    unit: 'ms',
    goals: [
      { against: 'nest-recipe', most: 1.3 },
      { against: 'ws-spread', most: 1.05 },
    ],
  },
  busyTotal: {
    title: 'heartbeat CPU in a second, 30 % talking',
    unit: 'ms',
    goals: [{ against: 'nest-recipe', most: 0.7 }],
    drawn: true,
  },
  restCpu: { title: 'CPU without a connection, of a core', unit: '%', goals: [{ most: 0.2 }] },
  idleCpu: { title: 'CPU with 100 idle connections at 25 s, of a core', unit: '%', goals: [{ most: 1 }] },
  stall: {
    title: 'longest stall of the loop',
    unit: 'ms',
    goals: [{ most: 8 }, { of: 'heartbeat-io', most: 8 }],
    drawn: true,
  },
  lost: {
    title: 'healthy clients lost to three stalls of 2.5 s',
    unit: '%',
    goals: [{ most: 0 }, { of: 'heartbeat-io', most: 0 }],
  },
  echoP50: { title: 'echo during heartbeats, p50', unit: 'ms' },
  echoP90: { title: 'echo during heartbeats, p90', unit: 'ms' },
  echoP99: {
    title: 'echo during heartbeats, p99',
    unit: 'ms',
    goals: [
      { against: 'ws', most: 2 },
      { against: 'ws-spread', most: 1.1 },
    ],
    drawn: true,
  },
  echoP999: { title: 'echo during heartbeats, p99.9', unit: 'ms' },
  echoMax: { title: 'echo during heartbeats, max', unit: 'ms' },
  throughput: {
    title: 'echoes for a second of CPU, 100 connections',
    unit: '',
    goals: [
      { against: 'nest', least: 1.5 },
      { against: 'ws', least: 0.7 },
    ],
    drawn: true,
  },
  detection: { title: 'silence to destroyed socket, worst of 300', unit: 'ms', goals: [{ most: 10_000 }] },
  broadcastCpu: { title: 'broadcast to all, CPU', unit: 'ms', goals: [{ against: 'ws', most: 1.05 }] },
  broadcastStall: { title: 'broadcast to all, longest stall', unit: 'ms', goals: [{ most: 10 }] },
  listP99: { title: 'admin list, any sort, p99', unit: 'ms', goals: [{ most: 20 }] },
  listOpenedP99: { title: 'admin list by openedAt, first page, p99', unit: 'ms', goals: [{ most: 5 }] },
  listStall: { title: 'admin list, longest stall', unit: 'ms', goals: [{ most: 10 }] },
  dashboardCpu: { title: 'one open dashboard, CPU of a core', unit: '%', goals: [{ most: 2 }] },
  drainPace: { title: 'drain, farthest from its plan', unit: '%', goals: [{ most: 10 }] },
  drainStall: { title: 'drain, longest stall', unit: 'ms', goals: [{ most: 10 }] },
  bookkeepingShare: { title: 'bookkeeping of 1,000,000 at 25 s, of a core', unit: '%', goals: [{ most: 1 }] },
  bookkeepingBytes: { title: 'bookkeeping of 1,000,000, each', unit: 'bytes', goals: [{ most: 300 }] },
} as const satisfies Readonly<Record<string, FigureTrait>>;

export type FigureName = keyof typeof TRAITS;

export const FIGURES: Readonly<Record<FigureName, FigureTrait>> = TRAITS;

/** The result of a measure. */
export type Figures = Partial<Record<FigureName, number>>;

export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[];
