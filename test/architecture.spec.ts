import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { architectureProblems, type Sources } from './support/architecture.js';
import { fieldProblems, liveLimitProblems } from './support/node-writers.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = 'libs/heartbeat/src';

/** Every TypeScript source below apps/, libs/ and test/. */
async function readSources(): Promise<Sources> {
  const names = await Promise.all(
    ['apps', 'libs', 'test'].map(async folder =>
      (await readdir(join(ROOT, folder), { recursive: true })).map(name => `${folder}/${name}`),
    ),
  );
  const paths = names.flat().filter(path => /\.tsx?$/.test(path) && !/\/(node_modules|dist)\//.test(path));
  return Object.fromEntries(
    await Promise.all(paths.map(async path => [path, await readFile(join(ROOT, path), 'utf8')])),
  );
}

describe('the sources of apps/, libs/ and test/', () => {
  let sources: Sources = {};
  beforeAll(async () => {
    sources = await readSources();
  });

  it('are found', () => {
    expect(Object.keys(sources)).toContain(`${SRC}/index.ts`);
  });

  it('keep to the architecture', () => {
    expect(architectureProblems(sources)).toEqual([]);
  });

  it('write each field of the node in one file, and put no function into a lower layer', () => {
    expect(fieldProblems(sources)).toEqual([]);
  });

  it('read the limits that may change from their holder', () => {
    expect(liveLimitProblems(sources)).toEqual([]);
  });
});

describe('fieldProblems', () => {
  const state = (fields: string) => ({ [`${SRC}/node/node-state.ts`]: `export class NodeState { ${fields} }` });

  it('finds nothing where each field has its writer', () => {
    const sources = {
      ...state('readonly totals = new Totals(); draining = false; limits: Limits;'),
      [`${SRC}/drain/a.ts`]: 'this.node.draining ||= true; this.node.totals = 1; other.limits = 1;',
      [`${SRC}/drain/a.spec.ts`]: 'node.limits = 1;',
    };
    expect(fieldProblems(sources, { draining: 'drain/a.ts', limits: null })).toEqual([]);
  });

  it.each<[string, string, Sources, string]>([
    [
      'a second writer',
      'draining = false;',
      { [`${SRC}/load/b.ts`]: 'node.draining = true;' },
      'load/b.ts:1 writes draining',
    ],
    ['a step', 'draining = 0;', { [`${SRC}/load/b.ts`]: 'this.#node.draining++;' }, 'load/b.ts:1 writes draining'],
    ['a field without a row', 'draining = 0; other = 0;', {}, 'other of the node has no row'],
    ['a row without a field', '', {}, 'a row for draining, which the node does not have'],
    ['a function', 'draining = () => 1;', {}, 'draining holds a function'],
    ['a function by its type', 'draining: (() => void) | null = null;', {}, 'draining holds a function'],
    ['an object with functions', 'draining = { hold: () => 1 };', {}, 'draining holds a function'],
    ['a type with methods', 'draining: { hold(): void };', {}, 'draining holds a function'],
    [
      'a function that an upper layer assigns',
      'draining = 0;',
      { [`${SRC}/connection/c.ts`]: 'class C { failed = () => 1; }', [`${SRC}/flow/d.ts`]: 'c.failed = () => 2;' },
      'flow/d.ts:1 assigns the function failed',
    ],
  ])('catches %s', (_what, fields, files, problem) => {
    const sources = { ...state(fields), [`${SRC}/drain/a.ts`]: 'this.node.draining = 1;', ...files };
    expect(fieldProblems(sources, { draining: 'drain/a.ts' })).toEqual([expect.stringContaining(problem)]);
  });

  it('catches a field that is never written', () => {
    expect(fieldProblems(state('draining = 0;'), { draining: 'drain/a.ts' })).toEqual([
      'draining of the node is never written',
    ]);
  });
});

describe('liveLimitProblems', () => {
  it.each([
    ['node.limits.maxPerIp', 0],
    ['const { maxPerIp } = this.node.limits;', 0],
    ['options.limits.ipv6PrefixBits', 0],
    ['this.node.options.limits.maxPerIp', 1],
    ['const { maxPerIp, maxPerUser: most } = options.limits;', 2],
    ['const { limits } = options; limits.shedAbove', 1],
  ])('of %s: %i', (source, count) => {
    expect(liveLimitProblems({ [`${SRC}/flow/a.ts`]: source })).toHaveLength(count);
  });
});

describe('architectureProblems', () => {
  it('finds nothing in sources that keep to it', () => {
    const sources = {
      [`${SRC}/index.ts`]: `export { A } from './admin/a.controller.js';`,
      [`${SRC}/heartbeat.module.ts`]: `import { A } from './admin/a.controller.js'; import { Cron } from './base/words.js';`,
      [`${SRC}/admin/a.controller.ts`]: `import { b } from '../drain/b.service.js'; import './c.js'; export class A {}`,
      [`${SRC}/admin/c.ts`]: `import { x } from '../base/words.js'; export const c = 1;`,
      [`${SRC}/drain/b.service.ts`]: `import { d } from '../connection/d.js'; setTimeout(() => {}, 1); export const b = 1;`,
      [`${SRC}/connection/d.ts`]: `import { x } from '../base/words.js'; import ws from 'ws'; export const d = 1; // Date.now(), setTimeout(`,
      [`${SRC}/connection/d.spec.ts`]: `import { b } from '../drain/b.service.js'; Date.now(); setTimeout(() => {}, 1); export default 1;`,
      [`${SRC}/base/words.ts`]: `import { now } from './clock.js'; export const x = 'export * from @Cron( Date.now() forwardRef';`,
      [`${SRC}/base/clock.ts`]: `export const now = () => Date.now();`,
      'apps/server/src/main.ts': `import { A } from 'nestjs-heartbeat'; Date.now();`,
      'apps/page/vite.config.ts': `export default {};`,
      [`${SRC}/base/long.ts`]: '\n'.repeat(250),
      [`${SRC}/base/long.spec.ts`]: '\n'.repeat(400),
      'test/e2e/long.e2e-spec.ts': '\n'.repeat(400),
    };
    expect(architectureProblems(sources)).toEqual([]);
  });

  it.each<[string, Sources, string]>([
    [
      'the base that imports the connection',
      { 'base/error.ts': `import { a } from '../connection/a.js';` },
      'upward from base to connection',
    ],
    [
      'a connection that imports a rule',
      { 'connection/a.ts': `import '../flow/b.js';` },
      'upward from connection to rules',
    ],
    [
      'a rule that imports an edge',
      { 'load/a.ts': `import type { b } from '../metrics/b.js';` },
      'upward from rules to edges',
    ],
    [
      'an edge that imports wiring',
      { 'admin/a.ts': `export { b } from '../index.js'; const c = 1;` },
      'upward from edges to wiring',
    ],
    ['an upward import()', { 'flow/a.ts': `const b = await import('../admin/b.js');` }, 'upward from rules to edges'],
    ['an upward import type', { 'flow/a.ts': `type B = import('../admin/b.js').B;` }, 'upward from rules to edges'],
    [
      'a rule that imports a rule',
      { 'drain/a.ts': `\nimport '../load/b.js';` },
      'drain/a.ts:2 imports ../load/b.js: sideways within rules',
    ],
    ['an edge that imports an edge', { 'health/a.ts': `import '../transports/ws/b.js';` }, 'sideways within edges'],
    ['a loose file in the root', { 'error.ts': '' }, 'error.ts is in a folder that no layer holds'],
    ['an unknown folder', { 'utils/a.ts': '' }, 'utils/a.ts is in a folder that no layer holds'],
    ['an import of an unknown folder', { 'index.ts': `import './utils/a.js';` }, 'one that no layer holds'],
    ['an import of a folder', { 'admin/a.ts': `import '../connection';` }, 'a folder, or one that no layer holds'],
    ['an import from outside', { 'index.ts': `import '../../../apps/server/src/main.js';` }, 'outside the library'],
    ['the library by its own name', { 'admin/a.ts': `import 'nestjs-heartbeat';` }, 'its own files relatively'],
    [
      'a cycle of two',
      { 'flow/a.ts': `import './b.js';`, 'flow/b.ts': `import type { a } from './a.js';` },
      `circle: ${SRC}/flow/a.ts → ${SRC}/flow/b.ts → ${SRC}/flow/a.ts`,
    ],
    [
      'a cycle of three that is entered from outside',
      {
        'flow/0.ts': `import './a.js';`,
        'flow/a.ts': `import './b.js';`,
        'flow/b.ts': `import './c.js';`,
        'flow/c.ts': `import './a.js';`,
      },
      `circle: ${SRC}/flow/a.ts → ${SRC}/flow/b.ts → ${SRC}/flow/c.ts → ${SRC}/flow/a.ts`,
    ],
    ['forwardRef', { 'admin/a.ts': `import { forwardRef } from '@nestjs/common';` }, 'admin/a.ts:1 uses forwardRef'],
    ['an inner index', { 'admin/index.ts': 'export const a = 1;' }, 'admin/index.ts is an inner barrel'],
    [
      'an inner barrel by another name',
      { 'admin/all.ts': `export { a } from './a.js';` },
      'admin/all.ts is an inner barrel',
    ],
    ['Nest’s internals', { 'admin/a.ts': `import { x } from '@nestjs/core/internal';` }, 'internals are not public'],
    ['a long file', { 'admin/a.ts': '\n'.repeat(251) }, 'has 251 lines, more than 250'],
    ['a long spec', { 'admin/a.spec.ts': '\n'.repeat(401) }, 'has 401 lines, more than 400'],
    ['export *', { 'admin/a.ts': `export * from './b.js'; const a = 1;` }, 'admin/a.ts:1 has "export *"'],
    ['export * as', { 'admin/a.ts': `export * as b from './b.js'; const a = 1;` }, 'has "export *"'],
    ['a default export', { 'admin/a.ts': 'export default class A {}' }, 'has a default export'],
    ['a default export of an expression', { 'admin/a.ts': 'export default { a: 1 };' }, 'has a default export'],
    ['a default export by renaming', { 'admin/a.ts': 'const a = 1; export { a as default };' }, 'has a default export'],
    ['@Cron', { 'liveness/a.ts': `class A { @Cron('* * * * *') run() {} }` }, 'uses @Cron'],
    ['@Query', { 'admin/a.ts': `class A { run(@Query({ schema }) query: object) {} }` }, 'write @ValidQuery(schema)'],
    ['@Body', { 'admin/a.ts': `class A { run(@Body() body: object) {} }` }, 'write @ValidBody(schema)'],
    ['Date.now', { 'drain/a.ts': 'const at = Date.now();' }, 'drain/a.ts:1 reads the wall clock'],
    ['a timeout in connection/', { 'connection/a.ts': 'setTimeout(() => {}, 1);' }, 'calls setTimeout()'],
    [
      'an interval in connection/',
      { 'connection/a.ts': 'globalThis.setInterval(() => {}, 1);' },
      'calls globalThis.setInterval()',
    ],
  ])('catches %s', (_what, files, problem) => {
    const sources = Object.fromEntries(Object.entries(files).map(([name, source]) => [`${SRC}/${name}`, source]));
    expect(architectureProblems(sources)).toEqual([expect.stringContaining(problem)]);
  });

  it('looks at the apps too', () => {
    const sources = {
      'apps/server/src/a.ts': `export * from './b.js'; export default 1; class A { @Cron('') run() {} }`,
      'apps/page/src/b.tsx': '\n'.repeat(251),
    };
    expect(architectureProblems(sources)).toHaveLength(4);
  });
});
