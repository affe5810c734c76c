/** The documents of the repository. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'libs/heartbeat/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
];

/** The rows of all tables that begin with these headings, cells without their backticks; none without such a table. */
export function rowsOf(markdown: string, ...headings: string[]): string[][] {
  const rows: string[][] = [];
  let table: 'ours' | 'other' | null = null;
  for (const cells of markdown.split('\n').map(cellsOf)) {
    if (cells === null) table = null;
    else if (table === null) table = headings.every((heading, index) => cells[index] === heading) ? 'ours' : 'other';
    else if (table === 'ours' && !cells.every(cell => /^:?-+:?$/.test(cell))) rows.push(cells);
  }
  return rows;
}

/** The same, of a document that has such a table. */
export function tableOf(markdown: string, ...headings: string[]): string[][] {
  const rows = rowsOf(markdown, ...headings);
  if (rows.length === 0) throw new Error(`no table has the headings ${headings.join(', ')}`);
  return rows;
}

export function cellsOf(line: string): string[] | null {
  if (!line.startsWith('|')) return null;
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map(cell => cell.trim().replaceAll('`', ''));
}

/** Two columns of a table, as an object. */
export function columns(rows: readonly string[][], key: number, value: number): Record<string, string | undefined> {
  return Object.fromEntries(rows.map(cells => [cells[key], cells[value]]));
}

/** The code blocks of a language. */
export function blocksOf(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , block = '']) => block);
}
