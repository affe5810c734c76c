/**
 * No cluster is needed to see that the manifests of deploy/kubernetes agree with the server and with each other: they are built,
 * and compared with the library's own defaults. test/e2e/kubernetes.e2e-spec.ts starts the server in the Deployment's environment.
 */
import { afterAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_ROUTES, DEFAULTS, resolveOptions, runChecks, type SystemReader } from 'nestjs-heartbeat/tooling';
import { readEnvironment } from '../apps/server/src/environment.js';
import { columns, read, tableOf } from './support/documents.js';
import { type DeploymentSpec, only, PodEnvironment, secondsAfterSigterm } from './support/kubernetes.js';
import { build, filesIn, type Labels, readKustomization } from './support/kustomize.js';

const FOLDER = 'deploy/kubernetes';
const PAGE = read('docs/operations/kubernetes.md');
/** The promise: after the drain's deadline the process ends within a second. */
const AFTER_DEADLINE_MS = 1000;
/** The longest spread without `drain.spreadMs`: docs/operations/deployment.md. */
const LONGEST_SPREAD_MS = 5000;
/** The user `node` of the official images of Node. */
const NODE_UID = 1000;
/** Memory of V8 for young objects, beside its old space. */
const YOUNG_MIB = 48;
const MIB = 1024 * 1024;

const base = build(`${FOLDER}/base`);
const gradual = build(`${FOLDER}/overlays/gradual`);
const deploymentOf = (manifests: typeof base) => only(manifests, 'Deployment').spec as DeploymentSpec;
const DEPLOYMENTS = [
  ['base', deploymentOf(base)],
  ['overlays/gradual', deploymentOf(gradual)],
] as const;

/** Whether a selector finds what has these labels. */
function selects(selector: Labels, labels: Labels = {}): boolean {
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

const podEnvironments: PodEnvironment[] = [];
afterAll(() => podEnvironments.forEach(environment => environment.remove()));

/** `TCP http` for each port of each rule of a NetworkPolicy. */
const portsOf = (rules: readonly { readonly ports: readonly { protocol: string; port: unknown }[] }[]) =>
  rules.map(({ ports }) => ports.map(({ protocol, port }) => `${protocol} ${String(port)}`));

/** The same Deployment whatever its track and its image. */
const neutral = (text: string) =>
  JSON.parse(text.replaceAll(/"track":"\w+"/g, '"track":"x"').replaceAll(/heartbeat-server:[^"]+/g, 'image')) as object;

/** How often a client moves in a deploy: each pod that drains spreads its clients over all pods, of which some are still to be drained. */
const movesWith = (pods: number) => (1 + 1 / pods) ** pods - 1;

/** A quantity of memory, such as `768Mi`, in MiB. */
function mebibytes(quantity: string): number {
  const [, amount, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(amount) * (unit === 'Gi' ? 1024 : 1);
}

describe.each(['server', 'base', 'overlays/gradual'])(`${FOLDER}/%s`, name => {
  const folder = `${FOLDER}/${name}`;
  const { resources, patches = [], images = [] } = readKustomization(folder);

  it('lists every file beside it, once', () => {
    const listed = [...resources.filter(resource => resource.endsWith('.yaml')), ...patches.map(({ path }) => path)];
    expect(['kustomization.yaml', ...listed].toSorted()).toEqual(filesIn(folder).toSorted());
  });

  it('gives the image of the nodes a tag, that of the library, unless another folder does', () => {
    const { version: newTag } = JSON.parse(read('libs/heartbeat/package.json')) as { version: string };
    expect(images).toEqual(name === 'server' ? [] : [{ name: 'nestjs-heartbeat-server', newTag }]);
  });
});

describe.each(DEPLOYMENTS)(`the Deployment of ${FOLDER}/%s`, (_name, { template, selector, ...spec }) => {
  const pod = template.spec;
  const [container] = pod.containers;
  const environment = new PodEnvironment(pod, {
    NODE_NAME: 'heartbeat-5d9c7b6f4-x2k8q',
    REDIS_URL: 'redis://:a-password@redis:6379',
    ADMIN_TOKEN_FILE: 'a-token-of-24-characters',
    JWT_SECRET_FILE: 'a secret of more than 32 characters',
  });
  podEnvironments.push(environment);
  const { variables } = environment;
  const settings = readEnvironment(variables);
  const options = resolveOptions(settings.options);
  const preStopMs = container.lifecycle.preStop.sleep.seconds * 1000;
  const heapMib = Number(/^--max-old-space-size=(\d+)$/.exec(variables['NODE_OPTIONS'] ?? '')?.[1]);

  it('sets variables of the server, each once, and two of Node and the doctor', () => {
    const rows = tableOf(read('docs/operations/environment.md'), 'variable');
    const documented = new Set(rows.map(([variable]) => variable));
    const names = container.env.map(({ name }) => name);
    expect(names.filter(name => !documented.has(name))).toEqual(['NODE_OPTIONS', 'TERMINATION_GRACE_PERIOD_SECONDS']);
    expect(new Set(names).size).toBe(names.length);
  });

  it('listens on every interface, on the ports that the container has', () => {
    const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(ports).toEqual({ http: settings.port, admin: settings.adminPort });
    expect(settings.host).toBe('0.0.0.0');
    expect(settings.logFormat).toBe('json');
  });

  it('has each probe on its route', () => {
    const health = String(DEFAULT_ROUTES.health);
    const { startupProbe, readinessProbe, livenessProbe } = container;
    expect([startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet)).toEqual(
      ['startup', 'ready', 'live'].map(route => ({ path: `${health}/${route}`, port: 'http' })),
    );
  });

  it('removes a pod from the endpoints within the time of preStop, should its server be the first to know', () => {
    const { periodSeconds, failureThreshold } = container.readinessProbe;
    expect(periodSeconds * failureThreshold * 1000).toBeLessThan(preStopMs);
  });

  it('leaves preStop, the drain and its allowance their time before SIGKILL, and states the time after SIGTERM', () => {
    const graceMs = pod.terminationGracePeriodSeconds * 1000;
    expect(graceMs).toBeGreaterThan(preStopMs + options.drain.deadlineMs + AFTER_DEADLINE_MS);
    expect(Number(variables['TERMINATION_GRACE_PERIOD_SECONDS'])).toBe(secondsAfterSigterm(pod));
  });

  it('admits connections in preStop alone, and not a second time in the drain', () => {
    expect(preStopMs).toBeGreaterThan(0);
    expect(options.drain.readinessDelayMs).toBe(0);
  });

  it('starts the new pod before it stops an old one, and waits until the clients of that one are back', () => {
    const { closeTimeoutMs, returnWindowMs } = options.drain;
    expect(spec.strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    expect(spec.minReadySeconds * 1000).toBeGreaterThan(
      preStopMs + LONGEST_SPREAD_MS + closeTimeoutMs + returnWindowMs,
    );
  });

  it('has memory for heap, connections and buffers, and a grace for the drain, as the doctor judges', () => {
    const limit = mebibytes(container.resources.limits.memory) * MIB;
    const heap = (heapMib + YOUNG_MIB) * MIB;
    const files: Readonly<Record<string, string>> = {
      '/proc/self/cgroup': '0::/\n',
      '/proc/meminfo': 'MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n',
      '/sys/fs/cgroup/memory.max': `${limit}\n`,
      '/sys/fs/cgroup/memory.current': '0\n',
    };
    const system: SystemReader = {
      file: path => files[path] ?? null,
      variable: name => ({ ...variables, KUBERNETES_SERVICE_HOST: '10.0.0.1' })[name] ?? null,
      packageVersion: () => null,
      heapLimitBytes: () => heap,
    };
    // The default of that one option is a quarter of the heap limit.
    const backpressure = { ...options.backpressure, maxTotalBufferedBytes: heap / 4 };
    const findings = runChecks({ options: { ...options, backpressure }, system, proxyHeaderSeen: null });
    const judged = ['heap-limit', 'heap-for-connections', 'buffered-memory', 'drain-deadline', 'admin-tokens'];
    expect(judged.map(id => findings.find(finding => finding.id === id))).toEqual(
      judged.map(id => expect.objectContaining({ id, severity: 'ok' })),
    );
    expect(findings.find(({ id }) => id === 'heap-limit')?.evidence).toContain(`the container has ${limit / MIB} MiB`);
  });

  it('has all the memory of its limit from its start', () => {
    expect(container.resources.requests.memory).toBe(container.resources.limits.memory);
  });

  it('runs the image as it is, as the user that the image names', () => {
    expect(container).not.toHaveProperty('command');
    expect(container).not.toHaveProperty('args');
    const users = [...read('deploy/Dockerfile').matchAll(/^USER (\S+)$/gm)].map(([, user]) => user);
    expect(users).toEqual(['node']);
    expect(pod).toMatchObject({
      securityContext: { runAsNonRoot: true, runAsUser: NODE_UID, runAsGroup: NODE_UID, fsGroup: NODE_UID },
    });
  });

  it('has no rights that a server does not need', () => {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    });
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(field);
  });

  it('is not PID 1 of its container, so that its watchdog can end it', () => {
    expect(pod).toMatchObject({ shareProcessNamespace: true });
  });

  it('writes heap snapshots to its only writable folder', () => {
    const writable = container.volumeMounts.filter(({ readOnly }) => readOnly !== true);
    expect(writable).toEqual([{ name: 'tmp', mountPath: '/tmp' }]);
    expect(pod.volumes.find(({ name }) => name === 'tmp')?.emptyDir).toBeDefined();
  });

  it('reads tokens and keys from files of its Secret, and no value of a secret from the manifest', () => {
    const volume = pod.volumes.find(({ secret }) => secret !== undefined);
    const mount = container.volumeMounts.find(({ name }) => name === volume?.name);
    const files = container.env.filter(({ name }) => name.endsWith('_FILE'));
    expect(files).toEqual([
      { name: 'ADMIN_TOKEN_FILE', value: `${mount?.mountPath}/admin-token` },
      { name: 'JWT_SECRET_FILE', value: `${mount?.mountPath}/jwt-secret` },
    ]);
    const secret = volume?.secret;
    expect(files.map(({ value }) => value)).toEqual(secret?.items.map(({ path }) => `${mount?.mountPath}/${path}`));
    expect(container.env.find(({ name }) => name === 'REDIS_URL')).toEqual({
      name: 'REDIS_URL',
      valueFrom: { secretKeyRef: { name: secret?.secretName, key: 'redis-url' } },
    });
    const command = /kubectl create secret generic (\S+)((?:.*\\\n)+.*)/.exec(PAGE);
    expect(command?.[1]).toBe(secret?.secretName);
    const created = [...(command?.[2] ?? '').matchAll(/--from-literal=([\w-]+)=/g)].map(([, key]) => key);
    expect(created).toEqual([...(secret?.items.map(({ key }) => key) ?? []), 'redis-url']);
  });

  it('selects its own pods, and none of the other Deployment', () => {
    const others = DEPLOYMENTS.map(([, other]) => other.template.metadata.labels).filter(
      labels => labels['track'] !== template.metadata.labels['track'],
    );
    expect(selects(selector.matchLabels, template.metadata.labels)).toBe(true);
    expect(others).toHaveLength(1);
    expect(others.filter(labels => selects(selector.matchLabels, labels))).toEqual([]);
  });
});

describe(`${FOLDER}/base`, () => {
  const pods = DEPLOYMENTS.map(([, { template }]) => template.metadata.labels);
  const [container] = deploymentOf(base).template.spec.containers;
  const service = only(base, 'Service');
  const autoscaler = only(base, 'HorizontalPodAutoscaler').spec;

  it.each([
    ['the Service', service.spec.selector],
    ['the PodDisruptionBudget', only(base, 'PodDisruptionBudget').spec.selector.matchLabels],
    ['the NetworkPolicy', only(base, 'NetworkPolicy').spec.podSelector.matchLabels],
  ])('%s covers the pods of both tracks', (_what, selector: Labels) => {
    expect(pods.map(labels => selects(selector, labels))).toEqual([true, true]);
  });

  it('the Service has the ports of the container, under their names', () => {
    expect(service.spec.ports).toEqual(
      container.ports.map(({ name, containerPort }) => ({ name, port: containerPort, targetPort: name })),
    );
  });

  it('the PodDisruptionBudget lets one pod at a time drain', () => {
    expect(only(base, 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
  });

  it('the autoscaler owns the number of pods of the Deployment', () => {
    const { apiVersion, kind, metadata, spec } = only(base, 'Deployment');
    expect(autoscaler.scaleTargetRef).toEqual({ apiVersion, kind, name: metadata.name });
    expect(spec).not.toHaveProperty('replicas');
    expect(autoscaler.maxReplicas).toBeGreaterThan(autoscaler.minReplicas);
  });

  it('the autoscaler counts connections, by the metric of that name', () => {
    const [{ type, pods: metric }, ...more] = autoscaler.metrics;
    const exported = tableOf(read('docs/operations/probes-and-metrics.md'), 'metric', 'type').map(
      ([name]) => `${DEFAULTS.metrics.prefix}${name}`,
    );
    expect([type, more]).toEqual(['Pods', []]);
    expect(exported).toContain(metric.metric.name);
    expect(metric.metric.name).toBe(`${DEFAULTS.metrics.prefix}connections`);
    expect(PAGE).toContain(`'${metric.metric.name}{namespace!="",pod!=""}'`);
  });

  it('the autoscaler leaves the other pods room for the clients of one that drains', () => {
    const [{ pods: metric }] = autoscaler.metrics;
    expect(metric.target.type).toBe('AverageValue');
    const average = Number(metric.target.averageValue);
    const all = average * autoscaler.minReplicas;
    expect(all / (autoscaler.minReplicas - 1)).toBeLessThanOrEqual(DEFAULTS.limits.maxConnections);
    // The first new pod of a deploy has as many times the average: docs/operations/kubernetes.md, Moves of a client.
    expect(average * movesWith(autoscaler.maxReplicas)).toBeLessThan(DEFAULTS.limits.maxConnections);
  });

  it('the autoscaler removes one pod at a time, after the drain of the last one', () => {
    const { terminationGracePeriodSeconds } = deploymentOf(base).template.spec;
    const [{ type, value, periodSeconds }, ...more] = autoscaler.behavior.scaleDown.policies;
    expect([type, value, more]).toEqual(['Pods', 1, []]);
    expect(periodSeconds).toBeGreaterThan(terminationGracePeriodSeconds);
  });

  it('the NetworkPolicy admits clients to one port and Prometheus to the other, and lets out to DNS and Redis', () => {
    const { policyTypes, ingress, egress } = only(base, 'NetworkPolicy').spec;
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    expect(portsOf(ingress)).toEqual(container.ports.map(({ name }) => [`TCP ${name}`]));
    expect(ingress.every(({ from }: { from?: unknown[] }) => (from?.length ?? 0) > 0)).toBe(true);
    expect(portsOf(egress)).toEqual([['UDP 53', 'TCP 53'], ['TCP 6379']]);
  });

  it('the ServiceMonitor finds the Service, and reads metrics from the port that serves them', () => {
    const { selector, endpoints, podTargetLabels } = only(base, 'ServiceMonitor').spec;
    expect(selects(selector.matchLabels, service.metadata.labels)).toBe(true);
    expect(endpoints).toEqual([{ port: 'admin', path: DEFAULT_ROUTES.metrics, interval: '15s' }]);
    expect(service.spec.ports).toContainEqual(expect.objectContaining({ name: 'admin' }));
    for (const labels of pods) expect(Object.keys(labels)).toEqual(expect.arrayContaining(podTargetLabels));
  });
});

describe('the overlay for a gradual release', () => {
  it('is one Deployment of another name, with pods of its own number', () => {
    expect(gradual.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([['Deployment', 'heartbeat-next']]);
    expect(deploymentOf(gradual).replicas).toBe(1);
  });

  it('differs from the base in name, track, number and image alone', () => {
    const { replicas: _replicas, ...next } = deploymentOf(gradual);
    expect(neutral(JSON.stringify(next))).toEqual(neutral(JSON.stringify(deploymentOf(base))));
  });
});

describe('docs/operations/kubernetes.md', () => {
  it('shows the times of the Deployment and of its drain', () => {
    const { minReadySeconds, template } = deploymentOf(base);
    const { deadlineMs, closeTimeoutMs, returnWindowMs } = DEFAULTS.drain;
    const shown = columns(tableOf(PAGE, 'time', 'seconds'), 0, 1);
    expect(shown).toEqual({
      'preStop.sleep': `${template.spec.containers[0].lifecycle.preStop.sleep.seconds}`,
      'spread of the closes': `${LONGEST_SPREAD_MS / 1000}`,
      'drain.closeTimeoutMs': `${closeTimeoutMs / 1000}`,
      'drain.deadlineMs': `${deadlineMs / 1000}`,
      'drain.returnWindowMs': `${returnWindowMs / 1000}`,
      terminationGracePeriodSeconds: `${template.spec.terminationGracePeriodSeconds}`,
      minReadySeconds: `${minReadySeconds}`,
    });
  });

  it('gives the moves of a client in a deploy of several pods', () => {
    const rows = tableOf(PAGE, 'pods', 'moves of a client, on average');
    expect(rows).toEqual([2, 3, 5, 10].map(pods => [`${pods}`, movesWith(pods).toFixed(2)]));
  });
});
