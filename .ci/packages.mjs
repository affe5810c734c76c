/** The programs that the tests need beside Node, and their Debian packages. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { PrepareError } from './prepare.mjs';

const NEEDED = [
  { name: 'redis-server', for: 'cluster tests', present: () => inPath('redis-server') },
  { name: 'chromium', for: 'browser tests', present: () => existsSync('/usr/bin/chromium') },
  { name: 'python3-websockets', for: 'the interop test with another implementation', present: pythonHasWebsockets },
  { name: 'iproute2', for: 'tests with lost packets', present: () => inPath('ip') },
  { name: 'nftables', for: 'tests with lost packets', present: () => inPath('nft') },
  { name: 'nginx', for: "the test of the load balancer's configuration", present: () => inPath('nginx') },
];
/** Those of the project `cluster`. */
export const FOR_CLUSTER = ['redis-server', 'nginx'];

/** Installs what is missing, of all or of `wanted`, where that is possible; otherwise throws with the command that does. */
export function ensurePackages(wanted = NEEDED.map(({ name }) => name)) {
  const missing = NEEDED.filter(({ name, present }) => wanted.includes(name) && !present());
  if (missing.length === 0) {
    console.log(`all there: ${wanted.join(', ')}`);
    return;
  }
  for (const { name, for: purpose } of missing) console.log(`missing: ${name}, for ${purpose}`);
  const names = missing.map(({ name }) => name).join(' ');
  const remedy = `as root: apt-get update && apt-get install -y --no-install-recommends ${names}`;
  if (!inPath('apt-get')) throw new PrepareError(`there is no apt-get here; on Debian, ${remedy}`);
  if (process.getuid?.() !== 0) throw new PrepareError(`only root may install them: ${remedy}`);
  console.log(`installing ${names}`);
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing.map(({ name }) => name)];
  const done = aptGet(['update', '-qq']) && aptGet(install);
  const absent = missing.filter(({ present }) => !present());
  if (!done || absent.length > 0) throw new PrepareError(`apt-get could not install them; ${remedy}`);
}

/** Quiet, tried twice: a mirror that is being updated refuses once and serves a moment later. Prints its words when it failed. */
function aptGet(args) {
  for (const last of [false, true]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const { status, stdout, stderr } = spawnSync('apt-get', args, {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (status === 0) return true;
    if (last)
      console.log(`apt-get ${args.join(' ')}\n${`${stdout}${stderr}`.trim().split('\n').slice(-10).join('\n')}`);
  }
  return false;
}

function inPath(command) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some(folder => existsSync(join(folder, command)));
}

/** Debian's own interpreter: another one in the path does not see Debian's modules. */
function pythonHasWebsockets() {
  return spawnSync('/usr/bin/python3', ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0;
}
