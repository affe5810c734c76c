/**
 * No container engine is needed to see that the deployment's files and the program agree: they are read and compared with the
 * library's own defaults.
 */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DEFAULT_ROUTES, DEFAULTS, resolveOptions } from 'nestjs-heartbeat/tooling';
import { parse } from 'yaml';
import { readEnvironment } from '../apps/server/src/environment.js';

/** The reference server's port unless PORT is set. */
const PORT = 3000;
/** The port of admin API and metrics in docker-compose.yml. */
const ADMIN_PORT = 3001;
/** The promise: after the drain's deadline the process ends within a second. */
const AFTER_DEADLINE_MS = 1000;
const READY = `http://127.0.0.1:${PORT}${String(DEFAULT_ROUTES.health)}/ready`;

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

interface Service {
  readonly user?: string;
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly depends_on?: readonly string[];
  readonly stop_grace_period: string;
  readonly stop_signal?: string;
  readonly init?: boolean;
  readonly command?: unknown;
  readonly ulimits: { readonly nofile: { readonly soft: number; readonly hard: number } };
  readonly sysctls: Readonly<Record<string, string>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: {
    readonly default: { readonly ipam: { readonly config: readonly { readonly subnet: string }[] } };
  };
}

const { services, networks } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const NODES = ['node-1', 'node-2'] as const;
const balancer = services['load-balancer'] as Service;

/** `30s` in milliseconds. */
function milliseconds(duration: string): number {
  const [, seconds] = /^(\d+)s$/.exec(duration) ?? [];
  return Number(seconds) * 1000;
}

describe.each(NODES)('docker-compose.yml: %s', name => {
  const node = services[name] as Service;
  const environment = Object.fromEntries(
    Object.entries(node.environment).map(([key, value]) => [
      key,
      value.replaceAll(/\$\{[^}]+\}/g, 'a-value-from-elsewhere'),
    ]),
  );
  const settings = readEnvironment(environment);
  const options = resolveOptions(settings.options);

  it('waits longer than a drain can take before it kills', () => {
    expect(milliseconds(node.stop_grace_period)).toBeGreaterThan(options.drain.deadlineMs + AFTER_DEADLINE_MS);
  });

  it('has an init that passes SIGTERM to node itself, with no shell between', () => {
    expect(node.init).toBe(true);
    expect(node.command).toBeUndefined();
  });

  it('states its grace, so that the server can compare its drain with it', () => {
    expect(Number(environment['TERMINATION_GRACE_PERIOD_SECONDS']) * 1000).toBe(milliseconds(node.stop_grace_period));
  });

  it('listens on every interface, where the load balancer looks for it, and is reached through that alone', () => {
    expect(settings).toMatchObject({ host: '0.0.0.0', port: PORT, adminPort: ADMIN_PORT });
    expect(node.ports).toBeUndefined();
  });

  it('allows as many files as there may be connections, with room for others', () => {
    const { soft, hard } = node.ulimits.nofile;
    expect(soft).toBeGreaterThan(options.limits.maxConnections + 1000);
    expect(hard).toBeGreaterThanOrEqual(soft);
  });

  it('asks whether the node is ready', () => {
    expect(node.healthcheck.test.slice(0, 3)).toEqual(['CMD', 'node', '-e']);
    expect(node.healthcheck.test[3]).toContain(`fetch('${READY}')`);
  });

  it('builds from a Dockerfile that is there', () => {
    expect(existsSync(new URL(`${node.build.context}/${node.build.dockerfile}`, root))).toBe(true);
  });

  it('joins the cluster by the Redis that is there, which outlives it, under its own name', () => {
    expect(services).toHaveProperty([new URL(environment['REDIS_URL'] ?? '').hostname]);
    expect(node.depends_on).toEqual(['redis']);
    expect(environment['NODE_NAME']).toBe(name);
  });

  it('has the token of all nodes from its environment', () => {
    expect(node.environment['ADMIN_TOKEN']).toMatch(/^\$\{ADMIN_TOKEN:\?.+\}$/);
  });

  it('trusts the load balancer, and no address beyond its network', () => {
    expect(options.trustedProxies).toEqual(networks.default.ipam.config.map(({ subnet }) => subnet));
  });
});

describe.each(Object.entries(services))('docker-compose.yml: %s', (name, service) => {
  it('has no rights of root, and writes only where it declares', () => {
    expect(service).toMatchObject({ cap_drop: ['ALL'], read_only: true, security_opt: ['no-new-privileges:true'] });
    // The image of the nodes has its user by itself.
    expect(service.user ?? (service.build && 'node')).toMatch(/^(node|redis|nginx|65534|472)$/);
  });

  it('is published to this machine alone, or not at all', () => {
    const published = service.ports ?? [];
    expect(published.filter(port => !port.startsWith('127.0.0.1:'))).toEqual([]);
    const ports: Readonly<Record<string, number>> = { 'load-balancer': 2, prometheus: 1, grafana: 1 };
    expect(published.length).toBe(ports[name] ?? 0);
  });
});

describe('docker-compose.yml: Redis', () => {
  const { command, environment } = services['redis'] as Service;

  it('has a password, which the nodes know and no argument holds', () => {
    const secret = /^\$\{REDIS_PASSWORD:\?.+\}$/;
    expect(environment['REDISCLI_AUTH']).toMatch(secret);
    const [shell, flag, script] = command as string[];
    expect([shell, flag]).toEqual(['sh', '-c']);
    expect(script).toMatch(/^exec redis-server - .*<<CONFIGURATION\nrequirepass \$\$REDISCLI_AUTH\nCONFIGURATION\n$/);
    for (const name of NODES) {
      expect(services[name]?.environment['REDIS_URL']).toMatch(/^redis:\/\/:\$\{REDIS_PASSWORD:\?.+\}@redis:6379$/);
    }
  });
});

describe('docker-compose.yml: the load balancer', () => {
  it('publishes the port that it listens on as that of a server', () => {
    const [clients, operators] = [...read('deploy/nginx/nginx.conf').matchAll(/^ *listen (\d+)/gm)].map(
      ([, port]) => port,
    );
    expect(balancer.ports).toEqual([`127.0.0.1:${PORT}:${clients}`, `127.0.0.1:${ADMIN_PORT}:${operators}`]);
  });

  it('reads the configuration that is there', () => {
    const [file = ''] = balancer.volumes.map(volume => volume.split(':')[0] ?? '');
    expect(existsSync(new URL(file, root))).toBe(true);
  });

  it('is not stopped before the nodes: its clients wait for their goodbye', () => {
    expect(balancer.depends_on).toBeUndefined();
    expect(balancer.stop_signal).toBe('SIGQUIT');
    const patienceMs = milliseconds(directive('worker_shutdown_timeout'));
    expect(patienceMs).toBeGreaterThan(DEFAULTS.drain.deadlineMs + AFTER_DEADLINE_MS);
    expect(milliseconds(balancer.stop_grace_period)).toBeGreaterThan(patienceMs);
  });

  it('has two files and one port for each client that all nodes together may have', () => {
    const clients = NODES.length * DEFAULTS.limits.maxConnections;
    const [from = 0, to = 0] = (balancer.sysctls['net.ipv4.ip_local_port_range'] ?? '').split(' ').map(Number);
    expect(balancer.ulimits.nofile.soft).toBeGreaterThanOrEqual(2 * clients);
    expect(to - from).toBeGreaterThan(DEFAULTS.limits.maxConnections);
    expect(Number(directive('worker_rlimit_nofile'))).toBe(balancer.ulimits.nofile.soft);
    // As if there were one worker only.
    expect(Number(directive('worker_connections'))).toBeGreaterThanOrEqual(2 * clients);
  });
});

/** The words after the name of a directive of nginx, of its first use. */
function directive(name: string): string {
  const [, words] = new RegExp(`^ *${name} ([^;]+);`, 'm').exec(read('deploy/nginx/nginx.conf')) ?? [];
  if (words === undefined) throw new Error(`nginx.conf has no ${name}`);
  return words;
}

describe('deploy/nginx/nginx.conf', () => {
  const configuration = read('deploy/nginx/nginx.conf');

  it('leads to the nodes, by the names and the port that they have', () => {
    const servers = [...configuration.matchAll(/^ *server ([\w-]+):(\d+)/gm)].map(([, name, port]) => [name, port]);
    expect(servers).toEqual([PORT, ADMIN_PORT].flatMap(port => NODES.map(name => [name, `${port}`])));
  });

  it('cuts no connection that the heartbeat keeps, or is about to judge', () => {
    const { maxIntervalMs, missedPongs, pongTimeoutMs } = DEFAULTS.heartbeat;
    const bound = maxIntervalMs + missedPongs * pongTimeoutMs + AFTER_DEADLINE_MS;
    expect(milliseconds(directive('proxy_read_timeout'))).toBeGreaterThan(bound);
  });

  it('passes what a WebSocket needs, and what the server reads', () => {
    const headers = [...configuration.matchAll(/proxy_set_header ([\w-]+) (\S+);/g)].map(([, name, value]) => [
      name,
      value,
    ]);
    expect(directive('proxy_http_version')).toBe('1.1');
    expect(Object.fromEntries(headers)).toEqual({
      Upgrade: '$upgrade',
      Connection: '$connection_upgrade',
      Host: '$http_host',
      // The edge trusts no client: an address that a client claims ends here.
      'X-Forwarded-For': '$remote_addr',
    });
  });

  it('passes on no upgrade but WebSocket', () => {
    const maps = [...configuration.matchAll(/map \$(\w+) \$(\w+) \{([^}]*)\}/g)].map(([, from, to, body = '']) => {
      const entries = [...body.matchAll(/^ *(\S+) +(\S+);$/gm)].map(([, key, value]) => [key, value]);
      return [from, to, Object.fromEntries(entries)];
    });
    expect(maps).toEqual([
      ['http_upgrade', 'upgrade', { default: "''", '~*^websocket$': 'websocket' }],
      ['upgrade', 'connection_upgrade', { default: 'upgrade', "''": 'close' }],
    ]);
  });

  it('looks for another node where one refuses by 503', () => {
    expect(directive('proxy_next_upstream').split(' ')).toContain('http_503');
  });

  it('has no queue longer than the kernel allows', () => {
    const backlog = /backlog=(\d+)/.exec(directive('listen'))?.[1];
    expect(backlog).toBe(balancer.sysctls['net.core.somaxconn']);
  });

  it('passes on what clients need, and nothing else of what the nodes serve', () => {
    const [, clients = ''] = configuration.split(/^ {2}server \{$/m);
    const locations = [...clients.matchAll(/location (.+) \{\s*([^;]+);/g)].map(([, path, first]) => [path, first]);
    const health = String(DEFAULT_ROUTES.health);
    expect(locations).toEqual([
      ['/', 'return 404'],
      ...[readEnvironment({}).wsPath, health, `${health}/live`, `${health}/ready`].map(path => [
        `= ${path}`,
        'proxy_pass http://nodes',
      ]),
    ]);
  });
});

describe('deploy/ecosystem.config.cjs', () => {
  const { apps } = createRequire(import.meta.url)('../deploy/ecosystem.config.cjs') as { apps: Pm2App[] };
  const [app] = apps as [Pm2App];

  it('waits longer than a drain can take before PM2 kills', () => {
    const { deadlineMs } = resolveOptions(readEnvironment(app.env).options).drain;
    expect(app.kill_timeout).toBeGreaterThan(deadlineMs + AFTER_DEADLINE_MS);
    expect(Number(app.env['TERMINATION_GRACE_PERIOD_SECONDS']) * 1000).toBe(app.kill_timeout);
  });

  it('runs what npm run start:prod runs, as one process of its own', () => {
    const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(manifest.scripts['start:prod']).toBe(`exec node ${app.node_args} ${app.script}`);
    expect(app).toMatchObject({ exec_mode: 'fork', instances: 1 });
  });
});

interface Pm2App {
  readonly script: string;
  readonly node_args: string;
  readonly kill_timeout: number;
  readonly env: Record<string, string>;
}

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

  it('has the dependencies of production alone, from a stage whose tools stay behind', () => {
    const [build = '', ...more] = instructions.filter(line => line.startsWith('FROM '));
    expect(more).toEqual([build.replace(' AS build', '')]);
    expect(build).toMatch(/^FROM node:\d+-slim AS build$/);
    expect(instructions[instructions.indexOf(more[0] ?? '') - 1]).toMatch(/ && npm prune --omit=dev$/);
    expect(final).toContain('COPY --from=build /app/node_modules ./node_modules');
    expect(final.filter(line => line.startsWith('RUN '))).toEqual([]);
  });

  it('has every package that the server imports among them', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const imported = packagesOf(['main', 'doctor'].map(name => `apps/server/src/${name}.ts`));
    expect(imported).toEqual(
      expect.arrayContaining(['@nestjs/core', '@nestjs/swagger', '@redis/client', 'reflect-metadata']),
    );
    expect(imported.filter(name => !Object.hasOwn(dependencies, name))).toEqual([]);
  });

  it('copies only what is there', () => {
    const sources = instructions
      .filter(line => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap(line => line.split(' ').slice(1, -1));
    expect(sources.filter(source => !existsSync(new URL(source, root)))).toEqual([]);
    expect(sources.length).toBeGreaterThan(0);
  });
});

/** Imports with and without names, and `import()`. */
const IMPORTS = /(^(?:import|export)(?! type)\s(?:[^;']*?from )?|(?<!typeof )import\()'([^']+)'/gm;

/** The packages that these sources of the repository import, and all that they import from it. Types are no imports. */
function packagesOf(entries: readonly string[]): string[] {
  const files = new Set(entries);
  const packages = new Set<string>();
  // The loop takes the files that are added meanwhile, too.
  for (const file of files) {
    for (const [, , specifier = ''] of read(file).matchAll(IMPORTS)) {
      const [, library, entry = 'index'] = /^(nestjs-heartbeat)(?:\/([\w.]+))?$/.exec(specifier) ?? [];
      if (library !== undefined) files.add(`libs/heartbeat/src/${entry}.ts`);
      else if (specifier.startsWith('.')) files.add(join(dirname(file), specifier.replace(/\.js$/, '.ts')));
      else if (!specifier.startsWith('node:')) packages.add(/^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier);
    }
  }
  return [...packages].toSorted();
}
