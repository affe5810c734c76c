/** Every example of the documents compiles as it stands, imports included, under `strict`. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'libs/heartbeat/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
];

interface Example {
  /** Document and line of the first line of code. */
  readonly where: string;
  readonly code: string;
}

/** The TypeScript blocks of a document, under any of their names. */
function examplesOf(document: string, markdown: string): Example[] {
  return [...markdown.matchAll(/^( *)```(?:ts|typescript|tsx|mts|cts)\b[^\n]*\n([\s\S]*?)^ *```$/gm)].map(match => {
    const [, indent = '', code = ''] = match;
    const line = markdown.slice(0, match.index).split('\n').length + 1;
    return { where: `${document}:${line}`, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') };
  });
}

/** The settings of a Nest application, with all of `strict`. */
const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  strict: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  isolatedModules: true,
  esModuleInterop: true,
  skipLibCheck: true,
  noEmit: true,
  paths: {
    'nestjs-heartbeat': [join(ROOT, 'libs/heartbeat/src/index.ts')],
    'nestjs-heartbeat/*': [join(ROOT, 'libs/heartbeat/src/*.ts')],
  },
};

/** The faults of the examples, each with its place in the document. */
function faultsOf(examples: readonly Example[]): string[] {
  const files = new Map(examples.map((example, index) => [join(ROOT, 'test', `example-${index}.ts`), example]));
  const host = ts.createCompilerHost(OPTIONS);
  const onDisk = { fileExists: host.fileExists, readFile: host.readFile, getSourceFile: host.getSourceFile };
  host.fileExists = name => files.has(name) || onDisk.fileExists(name);
  host.readFile = name => files.get(name)?.code ?? onDisk.readFile(name);
  host.getSourceFile = (name, target, ...rest) => {
    const example = files.get(name);
    return example === undefined
      ? onDisk.getSourceFile(name, target, ...rest)
      : ts.createSourceFile(name, example.code, target, true);
  };
  const program = ts.createProgram([...files.keys()], OPTIONS, host);
  return [...files].flatMap(([name, { where }]) => {
    const source = program.getSourceFile(name);
    if (source === undefined) return [`${where}: was not read`];
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(fault => {
      const { line } = source.getLineAndCharacterOfPosition(fault.start ?? 0);
      return `${where} + ${line}: ${ts.flattenDiagnosticMessageText(fault.messageText, ' ')}`;
    });
  });
}

describe('the examples of the documents', () => {
  it('compile under strict as they stand', () => {
    const examples = DOCUMENTS.flatMap(name => examplesOf(name, readFileSync(join(ROOT, name), 'utf8')));
    expect(examples.length).toBeGreaterThan(15);
    expect(faultsOf(examples)).toEqual([]);
  }, 120_000);

  it('are refused without their imports, and with a wrong type', () => {
    const markdown = [
      'Text',
      '```ts',
      `import { Controller } from '@nestjs/common';`,
      '@Controller()',
      'export class A { constructor(readonly bans: BanList) {} }',
      '```',
      '- item',
      '  ```typescript',
      `  import { HeartbeatModule } from 'nestjs-heartbeat';`,
      `  HeartbeatModule.forRoot({ heartbeat: { intervalMs: '25s' } });`,
      '  ```',
      '```ts',
      // A name of another example.
      'new A();',
      '```',
      '```js',
      'nothing(',
      '```',
    ].join('\n');
    expect(faultsOf(examplesOf('x.md', markdown))).toEqual([
      "x.md:3 + 2: Cannot find name 'BanList'.",
      "x.md:9 + 1: Type 'string' is not assignable to type 'number'.",
      "x.md:13 + 0: Cannot find name 'A'.",
    ]);
  }, 120_000);
});
