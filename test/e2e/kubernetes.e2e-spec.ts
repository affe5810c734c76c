/** The server in the environment that the Deployment of deploy/kubernetes gives it, with a real Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';

import { ask } from '../support/clients/ask.js';
import { openNotified } from '../support/clients/notified-client.js';
import { until } from '../support/assert/until.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { ServerProcess } from '../support/servers/server-process.js';
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
function startContainer(): ServerProcess {
  const cluster = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };
  return ServerProcess.spawn({ env: { ...environment.variables, ...cluster, PORT: '0', ADMIN_PORT: '0' } });
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
