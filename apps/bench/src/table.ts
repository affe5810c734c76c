import { type FigureName, FIGURES, type Goal } from './figures.js';
import type { Judgement, Readings } from './readings.js';
import { SERVERS } from './server/bench-server.js';

/** The medians of all servers, and the goals, as a Markdown table that is aligned for people too. */
export function renderTable(readings: Readings): string {
  const { servers } = readings;
  const rows = [
    ['', ...servers.map(server => SERVERS[server].title), 'goal for heartbeat', 'is'],
    ...readings.figures.map(figure => [
      titleOf(figure),
      ...servers.map(server => shown(readings.median(server, figure))),
      (FIGURES[figure].goals ?? [])
        .filter(({ of }) => of === undefined || servers.includes(of))
        .map(goalOf)
        .join(', '),
      readings.judge(figure).map(verdictOf).join(', '),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  const lines = rows.map(row => `| ${row.map((cell, column) => aligned(cell, column, widths)).join(' | ')} |`);
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  lines.splice(1, 0, rule);
  return `${lines.join('\n')}\n`;
}

/** Three digits that count; whole numbers from 100 on. */
export function shown(value: number | null): string {
  if (value === null) return '';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function titleOf(figure: FigureName): string {
  const { title, unit } = FIGURES[figure];
  return unit === '' ? title : `${title}, ${unit}`;
}

function goalOf({ of, against, most, least }: Goal): string {
  const bound = most === undefined ? `≥ ${least}` : `≤ ${most.toLocaleString('en-US')}`;
  const goal = against === undefined ? bound : `${bound} × ${SERVERS[against].title}`;
  return of === undefined ? goal : `${SERVERS[of].title}: ${goal}`;
}

function verdictOf({ value, reached }: Judgement): string {
  return `${shown(value)} ${reached ? 'reached' : 'missed'}`;
}

function aligned(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
