import type { FigureName } from './figures.js';
import type { Readings } from './readings.js';
import { SERVER_NAMES, type ServerName, SERVERS } from './server/bench-server.js';
import { COLOURS, label, near, picture } from './svg.js';

const WIDTH = 840;
const HEIGHT = 380;
const LEFT = 60;
const RIGHT = 150;
const TOP = 40;
const BOTTOM = 40;

const POINTS: readonly (readonly [figure: FigureName, title: string])[] = [
  ['echoP50', 'p50'],
  ['echoP90', 'p90'],
  ['echoP99', 'p99'],
  ['echoP999', 'p99.9'],
  ['echoMax', 'max'],
];
const MILLISECONDS = [0.1, 1, 10, 100, 1000];
const [LOWEST, HIGHEST] = [0.03, 1000];

/** Echo times of each server while heartbeats go on, by percentile; both scales grow by powers. */
export function drawEchoTimes(readings: Readings): string {
  const servers = readings.servers.filter(server => readings.median(server, 'echoP99') !== null);
  const grid = MILLISECONDS.map(ms => {
    const y = yOf(ms);
    return `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="#e4e7eb"/>${label(`${ms} ms`, { x: LEFT - 6, y: y + 4, anchor: 'end' })}`;
  });
  const ticks = POINTS.map(([, title], index) => label(title, { x: xOf(index), y: HEIGHT - 16, anchor: 'middle' }));
  return picture(WIDTH, HEIGHT, 'Echo times during heartbeats', [
    label('echo times while 15,000 connections are sent heartbeats', { x: LEFT, y: 20, size: 13, weight: 'bold' }),
    ...grid,
    ...ticks,
    ...drawCurves(readings, servers),
  ]);
}

function drawCurves(readings: Readings, servers: readonly ServerName[]): string[] {
  const ends = servers.map(server => ({ server, y: yOf(readings.median(server, 'echoMax') ?? LOWEST) }));
  // Names stand beside the ends of their curves, but not upon each other.
  let free = 0;
  const names = ends
    .toSorted((one, other) => one.y - other.y)
    .map(({ server, y }) => {
      free = Math.max(free + 14, y + 4);
      const title = label(SERVERS[server].title, { x: WIDTH - RIGHT + 10, y: free });
      return `<g fill="${colourOf(server)}">${title}</g>`;
    });
  const curves = servers.map(server => {
    const points = POINTS.map(([figure], index) => `${xOf(index)},${yOf(readings.median(server, figure) ?? LOWEST)}`);
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colourOf(server)}" stroke-width="2"/>`;
  });
  return [...curves, ...names];
}

function colourOf(server: ServerName): string {
  return COLOURS[SERVER_NAMES.indexOf(server)] ?? '#000';
}

function xOf(index: number): number {
  return near(LEFT + 20 + (index * (WIDTH - LEFT - RIGHT - 40)) / (POINTS.length - 1));
}

function yOf(ms: number): number {
  const share = Math.log(Math.min(Math.max(ms, LOWEST), HIGHEST) / LOWEST) / Math.log(HIGHEST / LOWEST);
  return near(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM));
}
