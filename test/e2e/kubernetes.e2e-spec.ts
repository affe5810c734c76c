/** The server in the environment that the Deployment of deploy/kubernetes gives it, with a real Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';

import { ask } from '../support/clients/ask.js';
import { openNotified } from '../support/clients/notified-client.js';
import { until } from '../support/assert/until.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { ServerProcess, type ServerProcessOptions } from '../support/servers/server-process.js';
import { type DeploymentSpec, only, PodEnvironment, type Probe, secondsAfterSigterm } from '../support/kubernetes.js';
import { build } from '../support/kustomize.js';
import { bearer, hmacToken, SECRET, VALID } from './token-clients.js';

const CLIENTS = 20;
const ADMIN_TOKEN = 'an-operator-of-this-test';
const base = build('deploy/kubernetes/base');
const { spec: pod } = (only(base, 'Deployment').spec as DeploymentSpec).template;
const [container] = pod.containers;
const monitor = only(base, 'ServiceMonitor').spec.endpoints[0] as { readonly path: string };
const autoscaler = only(base, 'HorizontalPodAutoscaler').spec;

let environment: PodEnvironment;
beforeAll(async () => {
  const redis = await RedisServer.start({ password: 'the-password-of-redis' });
  environment = new PodEnvironment(pod, {
    NODE_NAME: 'heartbeat-5d9c7b6f4-x2k8q',
    REDIS_URL: redis.url,
    ADMIN_TOKEN_FILE: ADMIN_TOKEN,
    JWT_SECRET_FILE: SECRET,
  });
});
const cleanups: (() => void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  await ServerProcess.stopAll();
});
afterAll(async () => {
  environment.remove();
  await RedisServer.stopAll();
});

/** The complete lines of the server's log. */
const linesOf = ({ stdout, stderr }: ServerProcess) =>
  [stdout, stderr]
    .flatMap(text => text.split('\n').slice(0, -1))
    .map(line => JSON.parse(line) as { level: string; message: string; admin?: string });

const portOf = (url: string) => Number(new URL(url).port);

/** The container as its pod starts it: on free ports, since those of the pod belong to this machine. */
function startContainer({ env, via = [] }: ServerProcessOptions = {}): ServerProcess {
  const cluster = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };
  return ServerProcess.spawn({
    env: { ...environment.variables, ...cluster, PORT: '0', ADMIN_PORT: '0', ...env },
    via,
  });
}

/** The ports of the container as this start has them, by their names. */
async function portsOf(server: ServerProcess): Promise<Readonly<Record<string, number>>> {
  const greeting = await until(() => linesOf(server).find(({ message }) => message.startsWith('listening on ')), {
    timeoutMs: 20_000,
    message: () => `the server to listen:\n${server.output}`,
  });
  return { http: portOf(greeting.message.replace('listening on ', '')), admin: portOf(greeting.admin ?? '') };
}

describe('the Deployment', () => {
  it('starts a server that becomes ready, serves clients, is scraped, and ends within the grace period', async () => {
    const startedAt = performance.now();
    const server = startContainer();
    const ports = await portsOf(server);
    const probed = async ({ httpGet: { path, port } }: Probe) => (await ask({ port: ports[port] ?? 0, path })).status;

    const { startupProbe, readinessProbe, livenessProbe } = container;
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) expect(await probed(probe)).toBe(200);
    const budgetMs = startupProbe.periodSeconds * startupProbe.failureThreshold * 1000;
    expect(performance.now() - startedAt).toBeLessThan(budgetMs);

    // The key of the Secret's file: a token is admitted, and a client without one is not.
    const options = { port: ports['http'] ?? 0, headers: bearer(hmacToken(VALID)) };
    const clients = await openNotified(CLIENTS, options);
    cleanups.push(() => clients.forEach(client => client.destroy()));
    await expect(openNotified(1, { port: options.port })).rejects.toThrow('answered 401');

    const scraped = await ask({ port: ports['admin'] ?? 0, path: monitor.path });
    expect(scraped.text).toMatch(new RegExp(`^${autoscaler.metrics[0].pods.metric.name} ${CLIENTS}$`, 'm'));
    expect(await ask({ port: options.port, path: monitor.path })).toMatchObject({ status: 404 });

    const asOperator = { port: ports['admin'] ?? 0, headers: bearer(ADMIN_TOKEN) };
    const nodes = await ask({ ...asOperator, path: '/admin/nodes' });
    expect(nodes.json).toMatchObject({ items: [{ name: 'heartbeat-5d9c7b6f4-x2k8q', connections: CLIENTS }] });
    const doctor = await ask({ ...asOperator, path: '/admin/doctor' });
    const evidenceOf = (id: string) =>
      (doctor.json as { findings: { id: string; severity: string; evidence: string }[] }).findings.find(
        item => item.id === id,
      );
    const seconds = secondsAfterSigterm(pod);
    const grace = evidenceOf('drain-deadline');
    expect(grace?.severity).toBe('ok');
    expect(grace?.evidence).toContain(`TERMINATION_GRACE_PERIOD_SECONDS is ${seconds}`);
    // NODE_OPTIONS: 512 MiB, and the young generation of V8.
    const [, heapMib] = /heap may grow to (\d+) MiB/.exec(evidenceOf('heap-limit')?.evidence ?? '') ?? [];
    expect(Number(heapMib)).toBeGreaterThanOrEqual(512);
    expect(Number(heapMib)).toBeLessThanOrEqual(512 + 48);

    server.signal('SIGTERM');
    const exit = await server.exited;
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.ms).toBeLessThan(seconds * 1000);
    expect(clients.map(({ closeFrame, advice }) => [closeFrame?.code, advice !== null])).toEqual(
      clients.map(() => [1001, true]),
    );
    expect(linesOf(server).filter(({ level }) => !['log', 'debug', 'verbose'].includes(level))).toEqual([]);
  });
});

const { runAsUser: uid, runAsGroup: gid } = pod.securityContext;
const files = container.env.flatMap(({ name, value }) =>
  name.endsWith('_FILE') ? [[name, value ?? ''] as const] : [],
);

/**
 * The view of a container: everything is read-only but a `/tmp` of its own, and the folder of secrets ($1) is mounted where the
 * Deployment has it, readable by the group alone. The command runs as the user of the Deployment, without capabilities.
 */
const CONFINE = `
  chown -R 0:${gid} "$1"; chmod 0750 "$1"; chmod 0440 "$1"/*
  mount -t tmpfs -o mode=0755 tmpfs /run
  mkdir -p ${dirname(files[0]?.[1] ?? '')} /run/app
  mount --bind "$1" ${dirname(files[0]?.[1] ?? '')}
  mount --bind "$PWD" /run/app
  mount -o remount,bind,ro /run/app
  cd /run/app
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  mount -o remount,ro /run
  mount -o remount,bind,ro /
  shift
  exec setpriv --reuid=${uid} --regid=${gid} --groups=${gid} --no-new-privs --bounding-set=-all --inh-caps=-all "$@"`;
const NAMESPACE = ['unshare', '--mount', '--propagation', 'private'] as const;
const mayMount = spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'true']).status === 0;
if (!mayMount) process.stderr.write(`NOT RUN unless in CI: "${NAMESPACE.join(' ')}" needs root\n`);
// In CI a test must not pass without having run.
const describeConfined = mayMount || process.env['CI'] !== undefined ? describe : describe.skip;

describeConfined('its security context', () => {
  it('is enough for a server: a user without rights, a read-only root, and secrets for the group alone', async () => {
    const server = startContainer({
      env: { ...Object.fromEntries(files), TMPDIR: '/tmp' },
      via: [...NAMESPACE, 'sh', '-ec', CONFINE, 'sh', environment.folder],
    });
    const ports = await portsOf(server);
    const { path, port } = container.readinessProbe.httpGet;
    expect(await ask({ port: ports[port] ?? 0, path })).toMatchObject({ status: 200 });
    const asOperator = { port: ports['admin'] ?? 0, headers: bearer(ADMIN_TOKEN) };
    expect(await ask({ ...asOperator, path: '/admin/nodes' })).toMatchObject({ status: 200 });
    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\s+${uid}\\s`, 'm'));
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    const mounts = readFileSync(`/proc/${server.pid}/mountinfo`, 'utf8');
    expect(mounts).toMatch(/ \/ \/ ro,/);

    server.signal('SIGTERM');
    expect(await server.exited).toMatchObject({ code: 0, signal: null });
    expect(linesOf(server).filter(({ level }) => !['log', 'debug', 'verbose'].includes(level))).toEqual([]);
  });
});
