/**
 * No container engine is needed to see that the deployment's files and the program agree: they are read and compared with the
 * library's own defaults.
 */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { DEFAULT_ROUTES, DEFAULTS } from 'nestjs-heartbeat';
import { parse } from 'yaml';

/** The reference server's port unless PORT says otherwise. */
const PORT = 3000;
/** The contract: after the drain's deadline the process ends within a second. */
const AFTER_DEADLINE_MS = 1000;
const READY = `http://127.0.0.1:${PORT}${String(DEFAULT_ROUTES.health)}/ready`;

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

interface Service {
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly ports: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly stop_grace_period: string;
  readonly init?: boolean;
  readonly command?: unknown;
  readonly ulimits: { readonly nofile: { readonly soft: number; readonly hard: number } };
  readonly healthcheck: { readonly test: readonly string[] };
}

describe('docker-compose.yml', () => {
  const { services } = parse(read('docker-compose.yml')) as { services: Record<string, Service> };
  const service = services['server'] as Service;

  it('waits longer than a drain can take before it kills', () => {
    const [, seconds = ''] = /^(\d+)s$/.exec(service.stop_grace_period) ?? [];
    const deadlineMs = Number(service.environment['DRAIN_DEADLINE_MS'] ?? DEFAULTS.drain.deadlineMs);
    expect(Number(seconds) * 1000).toBeGreaterThan(deadlineMs + AFTER_DEADLINE_MS);
  });

  it('leaves node as PID 1, so that SIGTERM reaches it', () => {
    expect(service.init ?? false).toBe(false);
    expect(service.command).toBeUndefined();
  });

  it('publishes the port that the server listens on, on every interface', () => {
    expect(service.ports).toEqual([`${PORT}:${PORT}`]);
    expect(service.environment).toMatchObject({ HOST: '0.0.0.0', PORT: `${PORT}` });
  });

  it('allows as many files as there may be connections, with room for others', () => {
    const { soft, hard } = service.ulimits.nofile;
    expect(soft).toBeGreaterThan(DEFAULTS.limits.maxConnections + 1000);
    expect(hard).toBeGreaterThanOrEqual(soft);
  });

  it('asks whether the node is ready', () => {
    expect(service.healthcheck.test.slice(0, 3)).toEqual(['CMD', 'node', '-e']);
    expect(service.healthcheck.test[3]).toContain(`fetch('${READY}')`);
  });

  it('builds from a Dockerfile that is there', () => {
    expect(existsSync(new URL(`${service.build.context}/${service.build.dockerfile}`, root))).toBe(true);
  });
});

describe('deploy/Dockerfile', () => {
  /** Instructions with their lines joined; comments are gone. */
  const instructions = read('deploy/Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(line => line !== '');
  const final = instructions.slice(instructions.findLastIndex(line => line.startsWith('FROM ')));
  const argumentOf = (instruction: string): string | undefined =>
    final.findLast(line => line.startsWith(`${instruction} `))?.slice(instruction.length + 1);

  it('runs what npm run start:prod runs, as PID 1 and without a shell', () => {
    const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const command = JSON.parse(argumentOf('CMD') ?? '[]') as string[];
    expect(`exec ${command.join(' ')}`).toBe(manifest.scripts['start:prod']);
    expect(argumentOf('ENTRYPOINT')).toBeUndefined();
  });

  it('does not run as root', () => {
    expect(argumentOf('USER')).toBe('node');
  });

  it('listens on every interface, on the port that it exposes', () => {
    expect(argumentOf('ENV')?.split(' ')).toEqual(expect.arrayContaining(['HOST=0.0.0.0', `PORT=${PORT}`]));
    expect(argumentOf('EXPOSE')).toBe(`${PORT}`);
  });

  it('asks whether the node is ready', () => {
    expect(argumentOf('HEALTHCHECK')).toContain(`fetch('${READY}')`);
  });

  it('copies only what is there', () => {
    const sources = instructions
      .filter(line => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap(line => line.split(' ').slice(1, -1));
    expect(sources.filter(source => !existsSync(new URL(source, root)))).toEqual([]);
    expect(sources.length).toBeGreaterThan(0);
  });
});
