import { type FigureName, FIGURES } from './figures.js';
import type { Readings } from './readings.js';
import { SERVER_NAMES, type ServerName, SERVERS } from './server/bench-server.js';
import { COLOURS, label, near, picture } from './svg.js';
import { shown, titleOf } from './table.js';

const PANEL = { width: 420, bar: 16, gap: 5, names: 130, values: 60 };
const COLUMNS = 2;
const HEAD = 34;

/** One panel for each figure that several servers have: a bar is a median, the thin line the range of the rounds. */
export function drawBars(readings: Readings): string {
  const drawn = readings.figures.filter(figure => FIGURES[figure].drawn);
  const height = HEAD + SERVER_NAMES.length * (PANEL.bar + PANEL.gap) + 10;
  const panels = drawn.map((figure, index) => {
    const [x, y] = [(index % COLUMNS) * PANEL.width, Math.floor(index / COLUMNS) * height];
    return `<g transform="translate(${x + 10} ${y})">\n${drawPanel(readings, figure).join('\n')}\n</g>`;
  });
  const rows = Math.ceil(drawn.length / COLUMNS);
  return picture(COLUMNS * PANEL.width + 10, Math.max(1, rows) * height, 'Servers side by side', panels);
}

function drawPanel(readings: Readings, figure: FigureName): string[] {
  const servers = readings.servers.filter(server => readings.median(server, figure) !== null);
  const longest = Math.max(...servers.flatMap(server => readings.values(server, figure)), Number.MIN_VALUE);
  const scale = (PANEL.width - PANEL.names - PANEL.values - 20) / longest;
  const rows = servers.map((server, index) => {
    return drawBar(readings, figure, server, { y: HEAD + index * (PANEL.bar + PANEL.gap), scale });
  });
  return [label(titleOf(figure), { x: 0, y: 20, size: 13, weight: 'bold' }), ...rows];
}

interface Place {
  readonly y: number;
  readonly scale: number;
}

function drawBar(readings: Readings, figure: FigureName, server: ServerName, { y, scale }: Place): string {
  const median = readings.median(server, figure) ?? 0;
  const values = readings.values(server, figure);
  const at = (value: number): number => near(PANEL.names + Math.max(0, value) * scale);
  const middle = y + PANEL.bar / 2;
  const [low, high] = [at(Math.min(...values)), at(Math.max(...values))];
  const colour = COLOURS[SERVER_NAMES.indexOf(server)];
  return [
    label(SERVERS[server].title, { x: PANEL.names - 6, y: middle + 4, anchor: 'end' }),
    `<rect x="${PANEL.names}" y="${y}" width="${near(at(median) - PANEL.names)}" height="${PANEL.bar}" fill="${colour}"/>`,
    `<path d="M${low} ${middle}H${high}" stroke="#1f2933"/>`,
    label(shown(median), { x: high + 6, y: middle + 4 }),
  ].join('');
}
