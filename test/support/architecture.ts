import { posix } from 'node:path';
import { readCode, type Code } from './code.js';

/** Sources by their path from the repository's root, such as `libs/heartbeat/src/index.ts`. */
export type Sources = Readonly<Record<string, string>>;

/** Longer files have more than one reason to change. */
const MAX_LINES = 250;
const MAX_SPEC_LINES = 400;
const SPEC = /[.-]spec\.tsx?$/;
const LIBRARY = 'libs/heartbeat/src/';
/** The entries of the package. */
const ENTRIES = new Set(['index.ts', 'graphql.ts', 'socket.io.ts', 'tooling.ts'].map(name => LIBRARY + name));
const CLOCK = `${LIBRARY}base/clock.ts`;

/** From the bottom up: the folders of each layer. Folders of one layer do not import each other. */
const LAYERS = {
  protocol: ['protocol'],
  base: ['base'],
  options: ['options'],
  node: ['node'],
  connection: ['connection'],
  messaging: ['messaging'],
  rules: ['admission', 'liveness', 'flow', 'load', 'drain', 'kicks', 'limits', 'stats', 'cluster'],
  http: ['http'],
  edges: ['transports', 'health', 'admin', 'metrics', 'doctor', 'diagnosis', 'events', 'telemetry'],
  wiring: [],
} as const;
/** The files of the library's root. */
const WIRING = new Set([
  'index.ts',
  'socket.io.ts',
  'tooling.ts',
  'graphql.ts',
  'heartbeat.module.ts',
  'heartbeat.module-definition.ts',
  'base-providers.ts',
  'module-imports.ts',
]);

/**
 * Everything in which sources depart from the project's architecture, one sentence with place and remedy for each; empty when
 * there is nothing. Of specs and other files of tests only the length is checked.
 */
export function architectureProblems(sources: Sources): string[] {
  const typed = Object.entries(sources).filter(([path]) => /(?<!\.d)\.tsx?$/.test(path));
  const files = typed
    .filter(([path]) => !SPEC.test(path) && path.includes('/src/'))
    .map(([path, source]) => readCode(path, source));
  const ofLibrary = files.filter(({ path }) => path.startsWith(LIBRARY));
  return [
    ...typed.flatMap(lengthProblems),
    ...files.flatMap(codeProblems),
    ...ofLibrary.flatMap(libraryProblems),
    ...ofLibrary.flatMap(arrowProblems),
    ...cycleProblems(ofLibrary),
  ];
}

function lengthProblems([path, source]: readonly [string, string]): string[] {
  const most = SPEC.test(path) ? MAX_SPEC_LINES : MAX_LINES;
  const lines = source.split('\n').length - (source.endsWith('\n') ? 1 : 0);
  return lines > most ? [`${path} has ${lines} lines, more than ${most}: split it by reason to change`] : [];
}

/** Problems of any source, of the library and of the apps. */
function codeProblems(code: Code): string[] {
  const { path } = code;
  return [
    ...code.imports
      .filter(({ specifier }) => /^@nestjs\/[^/]+\/internal(\/|$)/.test(specifier))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}: Nest's internals are not public`),
    ...code.starExports.map(line => `${path}:${line} has "export *": name what is exported`),
    ...code.defaultExports.map(line => `${path}:${line} has a default export: export it by its name`),
    ...code.identifiers
      .filter(({ name }) => name === 'forwardRef')
      .map(({ line }) => `${path}:${line} uses forwardRef: it hides a cycle, move what is shared to a lower layer`),
    ...code.decorators
      .filter(({ name }) => name === 'Cron')
      .map(
        ({ line }) =>
          `${path}:${line} uses @Cron: it fires twice beside the host's own ScheduleModule, make a CronJob by hand`,
      ),
  ];
}

/** Further problems of sources of the library. */
function libraryProblems(code: Code): string[] {
  const { path, calls } = code;
  const problems = code.decorators
    .filter(({ name }) => name === 'Query' || name === 'Body')
    .map(
      ({ name, line }) => `${path}:${line} uses @${name}: Nest 11 would not validate it, write @Valid${name}(schema)`,
    );
  if (!ENTRIES.has(path) && (path.endsWith('/index.ts') || code.reExportsOnly)) {
    problems.push(`${path} is an inner barrel: import the file itself`);
  }
  for (const { name, line } of calls) {
    if (name === 'Date.now' && path !== CLOCK) {
      problems.push(
        `${path}:${line} reads the wall clock by Date.now(): take the time as an argument, or ask the clock`,
      );
    }
    if (/(^|\.)set(Timeout|Interval)$/.test(name) && path.startsWith(`${LIBRARY}connection/`)) {
      problems.push(`${path}:${line} calls ${name}(): no timer per connection, let the tick look at it`);
    }
  }
  return problems;
}

/** The imports of a library's file that do not point down. */
function arrowProblems(code: Code): string[] {
  const { path } = code;
  const from = layerOf(path);
  if (from === null) return [`${path} is in a folder that no layer holds: give it one in test/support/architecture.ts`];
  return code.imports.flatMap(({ specifier, line }) => {
    const at = `${path}:${line} imports ${specifier}`;
    if (/^nestjs-heartbeat(\/|$)/.test(specifier)) return [`${at}: the library imports its own files relatively`];
    const target = resolveImport(path, specifier);
    if (target === null) return [];
    if (!target.startsWith(LIBRARY)) return [`${at}: that is outside the library's sources`];
    const to = layerOf(target);
    if (to === null) return [`${at}: a folder, or one that no layer holds; import the file itself`];
    if (to.rank > from.rank) return [`${at}: upward from ${from.name} to ${to.name}`];
    if (to.rank === from.rank && to.folder !== from.folder) return [`${at}: sideways within ${from.name}`];
    return [];
  });
}

export function layerOf(path: string): { name: string; rank: number; folder: string } | null {
  const [first = '', ...below] = path.slice(LIBRARY.length).split('/');
  const isWiring = below.length === 0 && WIRING.has(first);
  const layers: readonly (readonly [string, readonly string[]])[] = Object.entries(LAYERS);
  const rank = layers.findIndex(([name, folders]) =>
    isWiring ? name === 'wiring' : below.length > 0 && folders.includes(first),
  );
  if (rank < 0 || !path.endsWith('.ts')) return null;
  return { name: layers[rank]![0], rank, folder: isWiring ? '' : first };
}

/** The source that a relative import names, null for a package. */
function resolveImport(path: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

/** Each knot of files that import each other in a circle, with one way around it. */
function cycleProblems(files: readonly Code[]): string[] {
  const graph = new Map(
    files.map(code => [code.path, code.imports.map(({ specifier }) => resolveImport(code.path, specifier))]),
  );
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) problems.push(`imports in a circle: ${[...trail.slice(seenAt), path].join(' → ')}`);
    if (seenAt >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) if (next !== null) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return problems;
}
