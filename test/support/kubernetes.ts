/** The Deployment of the reference server, in the terms of its process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Labels, Manifest } from './kustomize.js';

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

export interface Container {
  readonly image: string;
  readonly command?: unknown;
  readonly args?: unknown;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly resources: Readonly<Record<'requests' | 'limits', { readonly cpu: string; readonly memory: string }>>;
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly {
    readonly name: string;
    readonly emptyDir?: object;
    readonly secret?: { readonly secretName: string; readonly items: readonly { key: string; path: string }[] };
  }[];
}

export interface DeploymentSpec {
  readonly replicas?: number;
  readonly minReadySeconds: number;
  readonly strategy: object;
  readonly selector: { readonly matchLabels: Labels };
  readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
}

/** The only manifest of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, ...more] = manifests.filter(manifest => manifest.kind === kind);
  if (found === undefined || more.length > 0)
    throw new Error(`${more.length + 1} manifests expected to be one ${kind}`);
  return found;
}

/** The time between SIGTERM and SIGKILL, in seconds: the grace period begins with the preStop hook. */
export function secondsAfterSigterm({ terminationGracePeriodSeconds, containers: [container] }: PodSpec): number {
  return terminationGracePeriodSeconds - container.lifecycle.preStop.sleep.seconds;
}

/** The values that a pod takes from elsewhere, by the name of the variable; of `…_FILE` the content of the file. */
export type Elsewhere = Readonly<Record<string, string>>;

/** The environment of a pod's container, with its secret files in a folder of this machine. Call {@link remove} afterwards. */
export class PodEnvironment {
  readonly folder = mkdtempSync(join(tmpdir(), 'pod-'));
  readonly variables: Readonly<Record<string, string>>;

  constructor({ containers: [{ env }] }: PodSpec, elsewhere: Elsewhere) {
    this.variables = Object.fromEntries(env.map(({ name, value }) => [name, this.#valueOf(name, value, elsewhere)]));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #valueOf(name: string, value: string | undefined, elsewhere: Elsewhere): string {
    const isFile = name.endsWith('_FILE');
    const given = elsewhere[name];
    if (value !== undefined && !isFile) return value;
    if (given === undefined) throw new Error(`${name} has no value here`);
    if (!isFile) return given;
    const path = join(this.folder, basename(value ?? name));
    writeFileSync(path, `${given}\n`);
    return path;
  }
}
