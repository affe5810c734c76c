import { describe, expect, it } from '@jest/globals';

import { resolveOptions } from '../options/resolve-options.js';
import { drainDeadline } from './grace-checks.js';
import { supervisorOf } from './supervisors.js';
import type { SystemReader } from './system-reader.js';

interface Machine {
  readonly variables?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Command lines of the ancestors, the nearest first. */
  readonly ancestors?: readonly string[];
  readonly pid?: number;
}

function system({ variables = {}, files = {}, ancestors = ['node shell', 'init'], pid = 4711 }: Machine): SystemReader {
  const pids = [pid, ...ancestors.map((_, level) => (level === ancestors.length - 1 ? 1 : 100 - level))];
  const status = (level: number) =>
    `Name:\tnode\nPid:\t${pids[level]}\nPPid:\t${pid === 1 ? 0 : (pids[level + 1] ?? 0)}\n`;
  const processes = ancestors.flatMap((command, level) => [
    [`/proc/${pids[level + 1]}/cmdline`, `${command.replaceAll(' ', '\0')}\0`],
    [`/proc/${pids[level + 1]}/status`, status(level + 1)],
  ]);
  const all: Record<string, string> = { '/proc/self/status': status(0), ...Object.fromEntries(processes), ...files };
  return {
    file: path => all[path] ?? null,
    variable: name => variables[name] || null,
    packageVersion: () => null,
    heapLimitBytes: () => 1,
  };
}

const DOCKER = { '/.dockerenv': '' };
const PODMAN = { '/run/.containerenv': '' };
const unit = (text: string) => ({
  '/proc/self/cgroup': '0::/system.slice/realtime.service\n',
  '/etc/systemd/system/realtime.service': `[Service]\nExecStart=node main.js\n${text}\n`,
});
const SYSTEMD = { INVOCATION_ID: '0123456789abcdef' };

describe('supervisorOf', () => {
  it.each<[string, number, Machine]>([
    ['PM2', 1600, { variables: { pm_id: '0' } }],
    ['PM2', 30_000, { variables: { pm_id: '3', kill_timeout: '30000' } }],
    ['PM2', 1600, { variables: { pm_id: '3', kill_timeout: 'long' } }],
    ['PM2', 1600, { variables: { pm_id: '0' }, files: DOCKER, pid: 1 }],
    ['supervisord', 10_000, { variables: { SUPERVISOR_ENABLED: '1' } }],
    ['forever', 0, { ancestors: ['/usr/bin/node /usr/lib/node_modules/forever/bin/monitor main.js', 'init'] }],
    ['forever', 0, { ancestors: ['node /app/node_modules/.bin/forever main.js', 'init'] }],
    ['nodemon', 10_000, { ancestors: ['node /app/node_modules/.bin/nodemon main.js', 'bash', 'init'] }],
    ['nodemon', 10_000, { ancestors: ['sh -c node main.js', 'node /app/node_modules/nodemon/bin/nodemon.js', 'init'] }],
    ['runit', 7000, { ancestors: ['runsv realtime', 'runsvdir /etc/service'] }],
    ['s6-overlay', 3000, { variables: { S6_KILL_GRACETIME: '3000' } }],
    ['foreman', 5000, { ancestors: ['ruby /usr/bin/foreman start', 'init'] }],
    ['honcho', 5000, { ancestors: ['python3 /usr/bin/honcho start', 'init'] }],
    ['Nomad', 5000, { variables: { NOMAD_ALLOC_ID: 'a' }, files: DOCKER, pid: 1 }],
    ['Fly.io', 5000, { variables: { FLY_APP_NAME: 'realtime' } }],
    ['Cloud Run', 10_000, { variables: { K_SERVICE: 'realtime' } }],
    ['Heroku', 30_000, { variables: { DYNO: 'web.1' } }],
    ['Kubernetes', 30_000, { variables: { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, files: DOCKER, pid: 1 }],
    ['Docker', 10_000, { files: DOCKER, pid: 1 }],
    ['Docker', 10_000, { files: DOCKER, ancestors: ['/sbin/docker-init -- node main.js'] }],
    ['Docker', 10_000, { files: DOCKER, ancestors: ['/usr/bin/tini -- node main.js'] }],
    ['Podman', 10_000, { files: PODMAN, pid: 1 }],
    ['systemd', 90_000, { variables: SYSTEMD }],
    ['systemd', 90_000, { variables: SYSTEMD, files: unit('Restart=always') }],
    ['systemd', 10_000, { variables: SYSTEMD, files: unit('TimeoutStopSec=10') }],
    ['systemd', 90_000, { variables: SYSTEMD, files: unit('TimeoutStopSec=1min 30s') }],
    ['systemd', 500, { variables: SYSTEMD, files: unit('TimeoutStopSec=500ms') }],
    ['systemd', 20_000, { variables: SYSTEMD, files: unit('TimeoutSec=20s') }],
    ['systemd', Infinity, { variables: SYSTEMD, files: unit('TimeoutStopSec=infinity') }],
    ['systemd', 90_000, { variables: SYSTEMD, files: unit('TimeoutStopSec=a while') }],
    [
      'systemd',
      15_000,
      { variables: SYSTEMD, files: { '/etc/systemd/system.conf': '[Manager]\nDefaultTimeoutStopSec=15s\n' } },
    ],
  ])('recognises %s with a grace of %d ms', (name, graceMs, machine) => {
    expect(supervisorOf(system(machine))).toMatchObject({ name, graceMs });
  });

  it.each<[string, Machine]>([
    ['a shell', {}],
    ['a shell in a container that outlives it', { files: DOCKER }],
    ['a program whose name holds another', { ancestors: ['sh run-forever.sh', 'nodemonitor', 'init'] }],
    ['npm', { ancestors: ['npm start', 'sh -c x', 'bash', 'init'] }],
    ['a machine without /proc', { files: { '/proc/self/status': '' } }],
  ])('recognises none for %s', (_what, machine) => {
    expect(supervisorOf(system(machine))).toBeNull();
  });
});

describe('drainDeadline', () => {
  const find = (machine: Machine, deadlineMs = 25_000) =>
    drainDeadline({
      options: resolveOptions({ drain: { deadlineMs, spreadMs: 0 } }),
      system: system(machine),
      proxyHeaderSeen: null,
    });

  it.each<[string, 'ok' | 'info' | 'warn', Machine]>([
    ['PM2 as it comes', 'warn', { variables: { pm_id: '0' } }],
    ['PM2 with a long kill_timeout', 'ok', { variables: { pm_id: '0', kill_timeout: '26000' } }],
    ['PM2 with a kill_timeout just too short', 'warn', { variables: { pm_id: '0', kill_timeout: '25999' } }],
    [
      'a grace that the operator states for PM2',
      'ok',
      { variables: { pm_id: '0', TERMINATION_GRACE_PERIOD_SECONDS: '30' } },
    ],
    [
      'a grace that the operator states and PM2 does not keep',
      'warn',
      { variables: { pm_id: '0', kill_timeout: '5000', TERMINATION_GRACE_PERIOD_SECONDS: '30' } },
    ],
    ['Docker as it comes', 'warn', { files: DOCKER, pid: 1 }],
    [
      'Docker with a stated grace',
      'ok',
      { files: DOCKER, pid: 1, variables: { TERMINATION_GRACE_PERIOD_SECONDS: '30' } },
    ],
    ['Kubernetes as it comes', 'ok', { variables: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } }],
    ['systemd as it comes', 'ok', { variables: SYSTEMD }],
    ['systemd with a short time', 'warn', { variables: SYSTEMD, files: unit('TimeoutStopSec=5') }],
    ['supervisord as it comes', 'warn', { variables: { SUPERVISOR_ENABLED: '1' } }],
    ['no supervisor', 'info', {}],
  ])('%s: %s', (_what, severity, machine) => {
    expect(find(machine)).toMatchObject({ id: 'drain-deadline', severity });
  });

  it('is ok with a drain that is shorter than the grace', () => {
    const machine = { variables: { pm_id: '0', kill_timeout: '3000' } };
    expect([find(machine, 2000).severity, find(machine, 2001).severity]).toEqual(['ok', 'warn']);
  });

  it('names the supervisor, its grace and the setting', () => {
    const { evidence, remedy } = find({ variables: { pm_id: '0' } });
    expect(evidence).toBe('drain.deadlineMs is 25 s; PM2 (pm_id is set) kills the process after 1.6 s by default');
    expect(remedy).toBe(
      'Raise the grace to 26 s (kill_timeout of the app (deploy/ecosystem.config.cjs), or pm2 start --kill-timeout; state it in ' +
        'TERMINATION_GRACE_PERIOD_SECONDS), or lower drain.deadlineMs to 600, and set drain.readinessDelayMs, drain.spreadMs and drain.closeTimeoutMs to at most 600 together.',
    );
  });

  it('advises only a shorter drain where the grace is fixed', () => {
    const { remedy } = find({ variables: { K_SERVICE: 'realtime' } });
    expect(remedy).toBe('This grace is fixed: lower drain.deadlineMs to 9000.');
  });
});
