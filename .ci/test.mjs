/**
 * Everything that must hold, each step with its headline and duration, also after one has failed:
 *
 *   npm test                                        all of it, from a bare clone on
 *   npm test -- --selectProjects e2e -t drain       only jest, with these arguments
 *
 * The last line is `N passed, N failed` over all jest runs; any other step that failed counts as one.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ensurePackages, FOR_CLUSTER } from './packages.mjs';
import { ensureBuilt, ensureModules, PrepareError, requireNode, ROOT } from './prepare.mjs';

/** A step that would run past this is ended and fails, so that a test that hangs has an end; a slow or busy machine stays below it. */
const BUDGET_MS = 60 * 60_000;
const bin = (...path) => join(ROOT, 'node_modules', ...path);
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', bin('jest/bin/jest.js')];
/** Projects whose tests start servers, processes or a browser. */
const TIMED = ['e2e', 'cluster', 'browser'];
/**
 * How test files of these projects share the machine: by the comment in their first line, so many at a time. Files without one mostly
 * wait. Those that measure leave a core free most of the time; a file runs alone if it needs the whole machine.
 */
const GROUPS = [
  { title: 'that mostly wait', tag: null, workers: 3 },
  { title: 'that measure', tag: /^\/\/ Measures: /, workers: 2 },
  { title: 'that need the machine for themselves', tag: /^\/\/ Runs alone: /, workers: 1 },
];
const SLOWEST_FILES = 10;
/**
 * A timed test that fails beside others on a busy machine is repeated alone, once, and its second result counts. More failures than these
 * are no matter of the machine, and count at once.
 */
const MOST_REPEATED = 8;

const startedAt = performance.now();
const reports = mkdtempSync(join(tmpdir(), 'test-reports-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
/** Timed test files that failed beside others. */
const suspects = [];
/** Seconds of each test file, by its path. */
const durations = new Map();
const children = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of children) end(child);
    process.exit(1);
  });
}
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));

const args = process.argv.slice(2);
if (args.length > 0) await onlyJest(args);
else await everything();

if (durations.size > 1) {
  const slowest = [...durations].toSorted(([, one], [, other]) => other - one).slice(0, SLOWEST_FILES);
  console.log(`\nThe ${slowest.length} slowest test files, in seconds:`);
  for (const [path, seconds] of slowest) console.log(`${seconds.toFixed(1).padStart(7)}  ${path}`);
  console.log('');
}
for (const line of summary) console.log(line);
if (totals.skipped > 0) console.log(`${totals.skipped} skipped`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed > 0 ? 1 : 0;

async function everything() {
  const installed = await step('packages of npm', () => {
    requireNode();
    ensureModules();
  });
  if (!installed) return;
  await step('packages of Debian', () => ensurePackages());
  await step('package-lock.json', () => run([join(ROOT, '.ci/lockcheck.mjs')], { stdio: 'inherit' }));
  await step('build: nest build --all', () =>
    run([bin('@nestjs/cli/bin/nest.js'), 'build', '--all'], { stdio: 'inherit' }),
  );
  // What only computes has the time of the processors that timed tests leave.
  const computed = compute();
  for (const index of GROUPS.keys()) await testGroup(index);
  await computed;
  if (suspects.length > 0) await repeat(suspects);
}

/** Format, lint with types, and unit tests, at the lowest priority. */
async function compute() {
  const how = { stdio: 'pipe', isNice: true };
  const sources = ['apps', 'libs', 'test'];
  const prettier = [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'];
  await programBeside('format: prettier --check', prettier, how);
  // The build has checked the types of what is built; this checks those of the tests too, in a tenth of the time of tsc.
  const lint = [bin('oxlint/bin/oxlint'), '--type-aware', '--type-check', '--deny-warnings', ...sources];
  await programBeside('lint and types: oxlint', lint, how);
  await stepBeside('jest: unit', () => jest('unit', ['--selectProjects', 'unit'], how));
}

function testGroup(index) {
  const { title, workers } = GROUPS[index];
  const group = TIMED.flatMap(project => filesOf(project)).filter(path => groupOf(path) === index);
  const howMany = workers === 1 ? ['--runInBand'] : [`--maxWorkers=${workers}`];
  const order = `--testSequencer=${join(ROOT, '.ci/longest-first.mjs')}`;
  return step(`jest: ${group.length} files ${title}, ${workers} at a time`, () =>
    jest(`group${index}`, [...group, '--runTestsByPath', ...howMany, order, '--selectProjects', ...TIMED], {
      stdio: 'inherit',
      isTimed: true,
    }),
  );
}

function repeat(paths) {
  console.log(`\nRepeated alone, since they failed beside others:\n  ${paths.join('\n  ')}`);
  return step(`jest: ${paths.length} files again, 1 at a time`, () =>
    jest('again', [...paths, '--runTestsByPath', '--runInBand', '--selectProjects', ...TIMED]),
  );
}

/** The index of the group that a test file belongs to. */
function groupOf(path) {
  const source = readFileSync(join(ROOT, path), 'utf8');
  const tagged = GROUPS.findIndex(({ tag }) => tag?.test(source));
  return Math.max(0, tagged);
}

/** The test files of a project, by their paths from the root. */
function filesOf(project) {
  const folder = join('test', project);
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter(name => /[.-]spec\.ts$/.test(name))
    .map(name => join(folder, name));
}

/** With arguments: installed and, for tests that may start the built server, built; then jest as it was asked for. */
async function onlyJest(given) {
  const installed = await step('packages of npm', () => {
    requireNode();
    ensureModules();
  });
  if (!installed) return;
  const at = given.indexOf('--selectProjects') + 1;
  const selected = at === 0 ? TIMED : given.slice(at);
  const timed = TIMED.some(project => selected.includes(project));
  if (selected.includes('cluster') && at > 0) await step('packages of Debian', () => ensurePackages(FOR_CLUSTER));
  if (timed) await step('build', () => ['server', 'loadtest', 'bench'].forEach(ensureBuilt));
  const inBand = timed && !given.some(arg => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg));
  await step(`jest ${given.join(' ')}`, () => jest('jest', inBand ? ['--runInBand', ...given] : given));
}

/** Runs a step and prints its result. A step fails by throwing, or by a status other than 0. */
async function step(title, work) {
  console.log(`\n=== ${title}`);
  const startedAt = performance.now();
  let result;
  try {
    result = await work();
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    console.log(error.message);
    result = { status: 1 };
  }
  return ended(title, startedAt, result);
}

/** Runs a step beside others: its headline and output are printed when it has ended. */
async function stepBeside(title, work) {
  const startedAt = performance.now();
  const result = await work();
  console.log(`\n=== ${title}`);
  process.stdout.write(result.output);
  return ended(title, startedAt, result);
}

function programBeside(title, nodeArgs, how) {
  return stepBeside(title, () => run(nodeArgs, how));
}

/** Prints and counts the result of a step; jest's own failures are in the totals already. */
function ended(title, startedAt, { status, isCounted = false } = { status: 0 }) {
  const isOk = status === 0;
  if (!isOk && !isCounted) totals.failed += 1;
  const line = `${isOk ? 'ok  ' : 'FAIL'} ${title}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  console.log(`--- ${line}`);
  summary.push(line);
  return isOk;
}

/**
 * Runs jest and adds its tests to the totals. `isCounted` is whether they include its failure. Few files that failed with `isTimed` are not
 * added, but become {@link suspects}.
 */
async function jest(name, jestArgs, { isTimed = false, ...how } = { stdio: 'inherit' }) {
  const report = join(reports, `${name}.json`);
  const { status, output } = await run([...JEST, '--json', `--outputFile=${report}`, ...jestArgs], how);
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const failedFiles = testResults.filter(file => file.status === 'failed').map(file => relative(ROOT, file.name));
    const isRepeated = isTimed && suspects.length + failedFiles.length <= MOST_REPEATED;
    if (isRepeated) suspects.push(...failedFiles);
    let failed = 0;
    for (const { name: file, startTime, endTime, status: result, assertionResults } of testResults) {
      const path = relative(ROOT, file);
      durations.set(path, (endTime - startTime) / 1000);
      if (isRepeated && failedFiles.includes(path)) continue;
      const count = outcome => assertionResults.filter(test => test.status === outcome).length;
      totals.passed += count('passed');
      totals.skipped += count('pending');
      // A file that could not run has no failed test.
      failed += result === 'failed' ? Math.max(1, count('failed')) : 0;
    }
    totals.failed += failed;
    const isOk = isRepeated && failedFiles.length > 0 && failed === 0;
    return { status: isOk ? 0 : status, output, isCounted: failed > 0 };
  } catch {
    // No report: jest printed the reason, and its status fails the step.
    return { status: status || 1, output };
  }
}

/**
 * Runs node in a process group of its own, so that ending it ends what it has started. With `stdio` "pipe" the output is kept, with
 * `isNice` it has the lowest priority.
 */
function run(nodeArgs, { stdio, isNice = false }) {
  const leftMs = BUDGET_MS - (performance.now() - startedAt);
  return new Promise(resolve => {
    const child = spawn(process.execPath, nodeArgs, { cwd: ROOT, stdio: ['ignore', stdio, stdio], detached: true });
    children.add(child);
    // What it starts inherits its priority.
    if (isNice && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', text => (output += text));
    const timer = setTimeout(() => {
      console.log(`ended: all steps together may take ${BUDGET_MS / 60_000} minutes`);
      end(child);
    }, leftMs);
    child.once('error', error => (output += `${error.message}\n`));
    child.once('close', status => {
      clearTimeout(timer);
      children.delete(child);
      if (stdio === 'inherit') process.stdout.write(output);
      resolve({ status: status ?? 1, output });
    });
  });
}

function end({ pid }) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
