/**
 * Lets a child process run the project's TypeScript as it stands, without a build: `node --import ./test/support/run-typescript.mjs x.ts`.
 * The settings are those that jest compiles with, so both run the same code. Compiled code is kept, since tests start hundreds
 * of processes.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { register } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, threadId } from 'node:worker_threads';

/** The entries of the library, by the names under which they are imported. */
const LIBRARY = {
  'nestjs-heartbeat': new URL('../../libs/heartbeat/src/index.ts', import.meta.url).href,
  'nestjs-heartbeat/graphql': new URL('../../libs/heartbeat/src/graphql.ts', import.meta.url).href,
  'nestjs-heartbeat/socket.io': new URL('../../libs/heartbeat/src/socket.io.ts', import.meta.url).href,
  'nestjs-heartbeat/tooling': new URL('../../libs/heartbeat/src/tooling.ts', import.meta.url).href,
};
const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const CACHE = join(MODULES, '.cache', 'run-typescript');
const SWC = {
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

// Node runs these hooks in a thread of their own, which reads this file once more.
if (isMainThread) register(import.meta.url);

/** The dependencies of the compiled code beside the source. */
const compiler = isMainThread
  ? ''
  : (await readFile(join(MODULES, '@swc/core/package.json'), 'utf8')) + JSON.stringify(SWC);

export async function resolve(specifier, context, nextResolve) {
  if (Object.hasOwn(LIBRARY, specifier)) return { url: LIBRARY[specifier], shortCircuit: true };
  if (/^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL?.endsWith('.ts')) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(source)) return { url: source.href, shortCircuit: true };
  }
  return nextResolve(specifier, context);
}

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  return { format: 'module', source: await compiled(fileURLToPath(url)), shortCircuit: true };
}

async function compiled(filename) {
  const source = await readFile(filename, 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify([compiler, filename, source]))
    .digest('hex');
  const kept = join(CACHE, `${key}.js`);
  try {
    return await readFile(kept, 'utf8');
  } catch {
    // Not compiled yet.
  }
  const { transform } = await import('@swc/core');
  const { code } = await transform(source, { filename, ...SWC });
  // Another process never reads half of a file.
  const unfinished = `${kept}.${process.pid}-${threadId}`;
  await mkdir(CACHE, { recursive: true });
  await writeFile(unfinished, code);
  await rename(unfinished, kept);
  return code;
}
