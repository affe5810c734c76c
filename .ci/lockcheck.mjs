/**
 * Checks what `npm ci` elsewhere, or a reader of the lock, would trip over. Prints a line for each problem.
 *
 *   node .ci/lockcheck.mjs [folder]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './prepare.mjs';

/** From here on a peer's pings without reading cannot exhaust the memory. */
const OLDEST_WS = [8, 23, 0];
const GROUPS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/** The problems of a lock beside its package.json, as sentences. */
export function lockProblems(manifest, lock) {
  const entries = Object.entries(lock.packages);
  const held = new Set(entries.map(([path]) => nameOf(path)));
  const problems = [];
  for (const [path, { version, resolved, optionalDependencies = {} }] of entries) {
    const absent = Object.keys(optionalDependencies).filter(name => !held.has(name));
    if (absent.length > 0) {
      problems.push(
        `${path}@${version} names optional packages that the lock lacks, npm ci refuses it: ${absent.join(', ')}`,
      );
    }
    if (resolved?.startsWith('http')) {
      problems.push(`${path} is bound to a registry: run npm install with omit-lockfile-registry-resolved=true`);
    }
  }
  for (const group of GROUPS) {
    const [wanted, locked] = [manifest[group] ?? {}, lock.packages['']?.[group] ?? {}];
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      if (wanted[name] === locked[name]) continue;
      problems.push(
        `${group}.${name} is ${wanted[name]} in package.json and ${locked[name]} in the lock: run npm install`,
      );
    }
  }
  const copies = entries.filter(([path]) => nameOf(path) === 'ws');
  if (copies.length !== 1) problems.push(`there must be one ws, the lock has ${copies.length}`);
  for (const [path, { version }] of copies) {
    if (isOlder(version, OLDEST_WS)) problems.push(`${path} is ${version}, older than ${OLDEST_WS.join('.')}`);
  }
  return problems;
}

function nameOf(path) {
  return path.replace(/.*node_modules\//, '');
}

function isOlder(version, oldest) {
  const numbers = version.split('-')[0].split('.').map(Number);
  const at = oldest.findIndex((number, i) => number !== numbers[i]);
  return at >= 0 && numbers[at] < oldest[at];
}

const folder = process.argv[2] ?? ROOT;
const [manifest, lock] = ['package.json', 'package-lock.json'].map(name =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')),
);
const problems = lockProblems(manifest, lock);
for (const problem of problems) console.log(problem);
if (problems.length === 0) console.log(`${Object.keys(lock.packages).length - 1} packages, nothing to object to`);
process.exitCode = problems.length > 0 ? 1 : 0;
