import type { SystemReader } from './system-reader.js';

/** A program that stops this process: by a signal first, and by SIGKILL after its grace. */
export interface Supervisor {
  readonly name: string;
  /** The sign by which it was recognised. */
  readonly evidence: string;
  /** Its grace in milliseconds: the configured value where that can be read, the default otherwise. */
  readonly graceMs: number;
  readonly isDefault: boolean;
  /** The setting that raises its grace; null where it is fixed. */
  readonly setting: string | null;
}

interface Known {
  readonly name: string;
  /** An environment variable that it sets. */
  readonly variable?: string;
  /** A file that it creates in each container. It counts only for the container's first process, or directly below its init. */
  readonly file?: string;
  /** Matches the command line of an ancestor process. */
  readonly ancestor?: RegExp;
  readonly graceMs: number;
  /** An environment variable with the configured grace in milliseconds. */
  readonly configured?: string;
  readonly setting: string | null;
}

/**
 * Default graces from the manuals of these programs, ordered from the inside to the outside: in a container under PM2, PM2 is the one that
 * ends the process.
 */
const KNOWN: readonly Known[] = [
  {
    name: 'PM2',
    variable: 'pm_id',
    graceMs: 1600,
    configured: 'kill_timeout',
    setting: 'kill_timeout of the app (deploy/ecosystem.config.cjs), or pm2 start --kill-timeout',
  },
  { name: 'supervisord', variable: 'SUPERVISOR_ENABLED', graceMs: 10_000, setting: 'stopwaitsecs of the program' },
  {
    name: 'forever',
    ancestor: /(?:^|[ /])forever(?:-monitor)?(?: |$|\/bin\/)/,
    graceMs: 0,
    setting: 'forever start --killSignal=SIGTERM; it sends SIGKILL otherwise',
  },
  // nodemon waits for 10 s, then sends a second signal. For a restart it sends SIGUSR2, at which the reference server writes a heap
  // snapshot.
  {
    name: 'nodemon',
    ancestor: program('nodemon'),
    graceMs: 10_000,
    setting: null,
  },
  { name: 'runit', ancestor: program('runsv'), graceMs: 7000, setting: 'sv -w <seconds> force-stop' },
  { name: 's6-overlay', variable: 'S6_KILL_GRACETIME', graceMs: 3000, setting: 'S6_SERVICES_GRACETIME' },
  { name: 'Upstart', variable: 'UPSTART_JOB', graceMs: 5000, setting: 'kill timeout of the job' },
  { name: 'foreman', ancestor: program('foreman'), graceMs: 5000, setting: 'foreman start --timeout <seconds>' },
  { name: 'honcho', ancestor: program('honcho'), graceMs: 5000, setting: null },
  { name: 'overmind', ancestor: program('overmind'), graceMs: 5000, setting: 'OVERMIND_TIMEOUT' },
  { name: 'Nomad', variable: 'NOMAD_ALLOC_ID', graceMs: 5000, setting: 'kill_timeout of the task' },
  { name: 'Fly.io', variable: 'FLY_APP_NAME', graceMs: 5000, setting: 'kill_timeout in fly.toml' },
  { name: 'Railway', variable: 'RAILWAY_ENVIRONMENT', graceMs: 0, setting: 'RAILWAY_DEPLOYMENT_DRAINING_SECONDS' },
  { name: 'Cloud Run', variable: 'K_SERVICE', graceMs: 10_000, setting: null },
  { name: 'Heroku', variable: 'DYNO', graceMs: 30_000, setting: null },
  { name: 'Amazon ECS', variable: 'ECS_CONTAINER_METADATA_URI_V4', graceMs: 30_000, setting: 'stopTimeout' },
  {
    name: 'Kubernetes',
    variable: 'KUBERNETES_SERVICE_HOST',
    graceMs: 30_000,
    setting: 'terminationGracePeriodSeconds',
  },
  {
    name: 'Docker',
    file: '/.dockerenv',
    graceMs: 10_000,
    setting: 'docker run --stop-timeout, or stop_grace_period in Compose',
  },
  {
    name: 'Podman',
    file: '/run/.containerenv',
    graceMs: 10_000,
    setting: 'podman run --stop-timeout, or stop_grace_period in Compose',
  },
];

/** Init programs that container engines or images start first. */
const INIT = program('(docker-init|tini(-static)?|dumb-init|catatonit|podman-init)');
/** More levels than start scripts have. */
const MOST_ANCESTORS = 8;

/** The supervisor that runs this process; null where none is recognised. */
export function supervisorOf(system: SystemReader): Supervisor | null {
  const ancestors = commandLines(system);
  const isContainersOwn = ownsContainer(system, ancestors[0] ?? '');
  for (const { name, variable, file, ancestor, graceMs, configured, setting } of KNOWN) {
    const evidence =
      variable !== undefined && system.variable(variable) !== null
        ? `${variable} is set`
        : file !== undefined && isContainersOwn && system.file(file) !== null
          ? `${file} is there`
          : ancestor !== undefined && ancestors.some(command => ancestor.test(command))
            ? 'it runs this process'
            : null;
    if (evidence === null) continue;
    const word = configured === undefined ? null : system.variable(configured);
    const isDefault = word === null || !/^\d+$/.test(word);
    return { name, evidence, graceMs: isDefault ? graceMs : Number(word), isDefault, setting };
  }
  return systemdOf(system);
}

/** systemd waits for 90 s unless the unit or its defaults configure a shorter time. */
function systemdOf(system: SystemReader): Supervisor | null {
  if (system.variable('INVOCATION_ID') === null) return null;
  const unit = /\/([\w@.:\\-]+\.service)\s*$/m.exec(system.file('/proc/self/cgroup') ?? '')?.[1];
  const places = ['/etc/systemd/system', '/run/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];
  const files = unit === undefined ? [] : places.map(place => system.file(`${place}/${unit}`));
  const ofUnit = files.find(text => text !== null) ?? '';
  const word =
    /^Timeout(?:Stop)?Sec=(.+)$/m.exec(ofUnit)?.[1] ??
    /^DefaultTimeoutStopSec=(.+)$/m.exec(system.file('/etc/systemd/system.conf') ?? '')?.[1];
  const configuredMs = word === undefined ? null : spanMs(word.trim());
  return {
    name: 'systemd',
    evidence: 'INVOCATION_ID is set',
    graceMs: configuredMs ?? 90_000,
    isDefault: configuredMs === null,
    setting: 'TimeoutStopSec= of the unit',
  };
}

/** A time span of systemd (systemd.time): `30`, `1min 30s`, `infinity`. Returns null for any other text. */
function spanMs(text: string): number | null {
  if (text === 'infinity') return Infinity;
  const unitsMs: Readonly<Record<string, number>> = {
    '': 1000,
    ms: 1,
    s: 1000,
    sec: 1000,
    m: 60_000,
    min: 60_000,
    h: 3_600_000,
  };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]*)/g)];
  const sum = parts.reduce((ms, [, number, unit = '']) => ms + Number(number) * (unitsMs[unit] ?? NaN), 0);
  return parts.length === 0 || Number.isNaN(sum) ? null : sum;
}

/** Whether the container ends with this process: it is PID 1, or the child of an init that is. */
function ownsContainer(system: SystemReader, parent: string): boolean {
  const status = system.file('/proc/self/status') ?? '';
  if (/^Pid:\s+1$/m.test(status)) return true;
  return /^PPid:\s+1$/m.test(status) && INIT.test(parent);
}

/** The command lines of this process' ancestors, the nearest first. */
function commandLines(system: SystemReader): string[] {
  const commands: string[] = [];
  let status = system.file('/proc/self/status');
  for (let level = 0; level < MOST_ANCESTORS && status !== null; level++) {
    const parent = /^PPid:\s+([1-9]\d*)$/m.exec(status)?.[1];
    if (parent === undefined) break;
    commands.push((system.file(`/proc/${parent}/cmdline`) ?? '').replaceAll('\0', ' '));
    status = system.file(`/proc/${parent}/status`);
  }
  return commands;
}

/** Matches a command line that runs this program, directly or as the script of an interpreter. */
function program(name: string): RegExp {
  return new RegExp(`(?:^|[ /])${name}(?:\\.js)?(?: |$)`);
}
