/**
 * Everything that must hold, in order, each step with its headline and duration, also after one has failed:
 *
 *   npm test                                        all of it, from a bare clone on
 *   npm test -- --selectProjects e2e -t drain       only jest, with these arguments
 *
 * The last line is `N passed, N failed` over all jest runs; any other step that failed counts as one.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ensurePackages, FOR_CLUSTER } from './packages.mjs';
import { ensureBuilt, ensureModules, PrepareError, requireNode, ROOT } from './prepare.mjs';

/** A step that would run past this is ended and fails: a hanging test must not hang whoever waits for the result. */
const BUDGET_MS = 24 * 60_000;
const bin = (...path) => join(ROOT, 'node_modules', ...path);
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', bin('jest/bin/jest.js')];
/** Projects that measure time or share ports: one test file after the other. */
const ALONE = ['e2e', 'cluster', 'browser'];

const startedAt = performance.now();
const reports = mkdtempSync(join(tmpdir(), 'test-reports-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
let child = null;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    endChild();
    process.exit(1);
  });
}
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));

const args = process.argv.slice(2);
if (args.length > 0) await onlyJest(args);
else await everything();

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
  await step('package-lock.json', () => node(join(ROOT, '.ci/lockcheck.mjs')));
  await step('format: prettier --check', () =>
    node(bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'),
  );
  await step('lint: oxlint', () =>
    node(bin('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings', 'apps', 'libs', 'test'),
  );
  await step('types: tsc', () => node(bin('typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmit'));
  await step('build: nest build --all', () => node(bin('@nestjs/cli/bin/nest.js'), 'build', '--all'));
  await step('jest: unit', () => jest('unit', ['--selectProjects', 'unit']));
  await step('jest: e2e', () => jest('e2e', ['--selectProjects', 'e2e', '--runInBand']));
  for (const project of ['cluster', 'browser']) {
    await step(`jest: ${project}`, () =>
      jest(project, ['--selectProjects', project, '--runInBand', '--passWithNoTests']),
    );
  }
}

/** With arguments: installed and, for tests that may start the built server, built; then jest as it was asked for. */
async function onlyJest(given) {
  const installed = await step('packages of npm', () => {
    requireNode();
    ensureModules();
  });
  if (!installed) return;
  const at = given.indexOf('--selectProjects') + 1;
  const selected = at === 0 ? ALONE : given.slice(at);
  const alone = ALONE.some(project => selected.includes(project));
  if (selected.includes('cluster') && at > 0) await step('packages of Debian', () => ensurePackages(FOR_CLUSTER));
  if (alone) await step('build', () => ['server', 'loadtest'].forEach(ensureBuilt));
  const inBand = alone && !given.some(arg => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg));
  await step(`jest ${given.join(' ')}`, () => jest('jest', inBand ? ['--runInBand', ...given] : given));
}

/** Runs a step and says how it went. A step fails by throwing, by returning false or a status other than 0. */
async function step(title, work) {
  console.log(`\n=== ${title}`);
  const before = performance.now();
  const failedBefore = totals.failed;
  let status;
  try {
    status = await work();
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    console.log(error.message);
    status = 1;
  }
  const ok = status === undefined || status === 0;
  // jest's own failures are in the totals already; a jest that failed without one is counted here like any step.
  if (!ok && totals.failed === failedBefore) totals.failed += 1;
  const line = `${ok ? 'ok  ' : 'FAIL'} ${title}, ${((performance.now() - before) / 1000).toFixed(1)} s`;
  console.log(`--- ${line}`);
  summary.push(line);
  return ok;
}

async function jest(name, jestArgs) {
  const report = join(reports, `${name}.json`);
  const status = await node(...JEST, '--json', `--outputFile=${report}`, ...jestArgs);
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    totals.passed += numPassedTests;
    totals.failed += numFailedTests + numRuntimeErrorTestSuites;
    totals.skipped += numPendingTests;
  } catch {
    // No report: jest said why on its way out, and its status fails the step.
    return status || 1;
  }
  return status;
}

/** Runs node in a process group of its own, so that ending it ends what it has started; resolves with its status. */
function node(...nodeArgs) {
  const leftMs = BUDGET_MS - (performance.now() - startedAt);
  return new Promise(resolve => {
    child = spawn(process.execPath, nodeArgs, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    const timer = setTimeout(() => {
      console.log(`ended: all steps together may take ${BUDGET_MS / 60_000} minutes`);
      endChild();
    }, leftMs);
    child.once('error', error => console.log(error.message));
    child.once('close', status => {
      clearTimeout(timer);
      child = null;
      resolve(status ?? 1);
    });
  });
}

function endChild() {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
