/**
 * Brings a machine that has only Node and npm to where a command can run, with nothing but Node's own modules:
 *
 *   node .ci/prepare.mjs start   the reference server is installed and built
 *   node .ci/prepare.mjs load    the load generator is
 *   node .ci/prepare.mjs bench   the bench is
 *   node .ci/prepare.mjs lib     what builds the library is installed
 *   node .ci/prepare.mjs pack    the library is installed and built
 *
 * Complete steps are skipped, without a request to the network. It writes to stderr only: stdout belongs to the program that
 * runs afterwards.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The library's name among the projects of nest-cli.json. */
const LIBRARY = 'heartbeat';

/** A problem that requires a person; the message has the remedy. */
export class PrepareError extends Error {}

/** Nest 12 needs `require` of ES modules and `import.meta.dirname`. */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new PrepareError(`Node ${process.versions.node} is too old: install Node 20.19 or newer`);
  }
}

/** Runs `npm ci` unless every package that the lock demands is installed in that version. */
export function ensureModules() {
  const absent = absentPackages();
  if (absent.length === 0) {
    say('node_modules: as package-lock.json wants them');
    return;
  }
  say(`node_modules: ${absent.length} packages to install (${absent.slice(0, 3).join(', ')}, …): npm ci`);
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const status = npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (status !== 0) throw new PrepareError('npm ci failed: is the package registry reachable? (npm ping)');
}

/** Builds an app, or the library, with `nest build` unless what was built is newer than its sources. */
export function ensureBuilt(app) {
  const built = join(ROOT, app === LIBRARY ? 'libs/heartbeat/dist/index.js' : `dist/apps/${app}/src/main.js`);
  const changed = existsSync(built) ? newestSource(app, statSync(built).mtimeMs) : 'dist';
  if (changed === null) {
    say(`dist: ${app} is newer than its sources`);
    return;
  }
  say(`dist: ${app} is ${changed === 'dist' ? 'not built' : `older than ${changed}`}: nest build ${app}`);
  const status = run(process.execPath, [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', app]);
  if (status !== 0) throw new PrepareError(`nest build ${app} failed, see above`);
}

function absentPackages() {
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  // npm writes this file at the end of an installation, so an interrupted one counts as none.
  const record = join(ROOT, 'node_modules/.package-lock.json');
  const installed = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')).packages : {};
  return Object.entries(wanted)
    .filter(([path, { optional }]) => path !== '' && !optional)
    .filter(([path, { version }]) => installed[path]?.version !== version)
    .map(([path]) => path.replace(/^node_modules\//, ''));
}

/** The first source found that is newer than `since`, null when there is none. */
function newestSource(app, since) {
  const own = app === LIBRARY ? 'libs/heartbeat/tsconfig.lib.json' : `apps/${app}/tsconfig.app.json`;
  const configs = ['package-lock.json', 'tsconfig.json', 'nest-cli.json', own];
  const folders = ['libs/heartbeat/src'];
  if (app !== LIBRARY) folders.unshift(`apps/${app}/src`);
  // The bench uses the load tool's files.
  if (app === 'bench') folders.push('apps/loadtest/src');
  const sources = folders.flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .filter(name => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
      .map(name => join(folder, name)),
  );
  return [...configs, ...sources].find(path => statSync(join(ROOT, path)).mtimeMs > since) ?? null;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (error) say(error.message);
  return status;
}

function say(text) {
  process.stderr.write(`prepare: ${text}\n`);
}

const APPS = { start: 'server', load: 'loadtest', bench: 'bench', lib: null, pack: LIBRARY };

// Not when it is imported; the real path, since a folder above may be a symbolic link.
if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const app = APPS[process.argv[2]];
    if (app === undefined) throw new PrepareError(`say what for: ${Object.keys(APPS).join(' or ')}`);
    requireNode();
    ensureModules();
    if (app !== null) ensureBuilt(app);
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
