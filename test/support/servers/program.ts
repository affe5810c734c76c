import { transformFile, type Options } from '@swc/core';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LIBRARY = 'libs/heartbeat/src';

/** As jest.config.mjs has it: what runs in a child is compiled as what runs in a test. */
const SWC: Options = {
  swcrc: false,
  jsc: {
    target: 'es2023',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
    keepClassNames: true,
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
};

/**
 * A test's own application as a program for `ServerProcess`, compiled together with the library as its sources are now: unlike with
 * `run-typescript.mjs` no loader is in the process, whose start, threads and memory are a user's. It lies below the repository,
 * where packages are found, and is removed by {@link remove}.
 */
export class Program {
  private constructor(
    /** The `entry` of `ServerProcess`. */
    readonly entry: string,
    private readonly folder: string,
  ) {}

  /** Compiles `test/<name>.ts`, such as `support/servers/user-app`, and the files that it imports by their paths. */
  static async compile(name: string): Promise<Program> {
    await mkdir(join(ROOT, 'dist'), { recursive: true });
    const folder = await mkdtemp(join(ROOT, 'dist', 'test-'));
    const library = await readdir(join(ROOT, LIBRARY), { recursive: true });
    const sources = library.filter(file => /(?<!\.spec|\.d)\.ts$/.test(file)).map(file => `${LIBRARY}/${file}`);
    const entry = `test/${name}.ts`;
    const program = new Program(relative(ROOT, join(folder, entry.replace(/\.ts$/, '.js'))), folder);
    try {
      const own = await withImports(entry);
      await Promise.all([...sources, ...own].map(file => compileInto(folder, file)));
    } catch (error) {
      await program.remove();
      throw error;
    }
    return program;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A file and all that it and its imports import by relative paths, from the root of the repository. */
async function withImports(entry: string): Promise<Set<string>> {
  const files = new Set([entry]);
  // The loop takes the files that are added meanwhile, too.
  for (const file of files) {
    const source = await readFile(join(ROOT, file), 'utf8');
    for (const [, path = ''] of source.matchAll(/ from '(\.[^']+)\.js'/g)) files.add(join(dirname(file), `${path}.ts`));
  }
  return files;
}

async function compileInto(folder: string, file: string): Promise<void> {
  const { code } = await transformFile(join(ROOT, file), SWC);
  const target = join(folder, file.replace(/\.ts$/, '.js'));
  const index = relative(dirname(target), join(folder, LIBRARY, 'index.js'));
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, code.replaceAll(/(['"])nestjs-heartbeat\1/g, `'${index}'`));
}
