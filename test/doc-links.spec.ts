/** The documents lead somewhere: their links are compared with the files and headings, their commands with the scripts and flags. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BENCH_FLAGS } from '../apps/bench/src/bench-arguments.js';
import { FLAGS } from '../apps/loadtest/src/flags.js';
import { ROOT, read, DOCUMENTS } from './support/documents.js';

describe.each(DOCUMENTS)('%s', path => {
  const markdown = read(path);
  /** Without code: a bracket there is no link. */
  const prose = markdown.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').replaceAll(/`[^`\n]*`/g, '');

  it('links to files and headings that exist', () => {
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(links.filter(target => !/^https?:/.test(target)).filter(target => !leadsSomewhere(path, target))).toEqual(
      [],
    );
  });

  it('names npm scripts, and flags of the load tool and the bench, that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...markdown.matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name);
    const flags = [...markdown.matchAll(/npm run load -- (--.*?)[`\n]/g)].flatMap(([, line = '']) =>
      [...line.matchAll(/--([a-z-]+)/g)].map(([, flag = '']) => flag),
    );
    expect(named.filter(name => !Object.hasOwn(scripts, name))).toEqual([]);
    expect(flags.filter(flag => !Object.hasOwn(FLAGS, flag))).toEqual([]);
    const ofBench = [...markdown.matchAll(/npm run bench -- (--.*?)[`\n#]/g)].flatMap(([, line = '']) =>
      [...line.matchAll(/--([a-z-]+)/g)].map(([, flag = '']) => flag),
    );
    expect(ofBench.filter(flag => !Object.hasOwn(BENCH_FLAGS, flag))).toEqual([]);
  });
});

function leadsSomewhere(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const to = file === '' ? from : join(dirname(from), file);
  if (!existsSync(join(ROOT, to))) return false;
  if (anchor === undefined || statSync(join(ROOT, to)).isDirectory()) return anchor === undefined;
  return headingsOf(read(to)).includes(anchor);
}

/** Headings as they are linked to. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
