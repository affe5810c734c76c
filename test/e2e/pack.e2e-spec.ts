/** The library as npm would deliver it, in another app: it tracks that app's sockets with two lines. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIBRARY = join(ROOT, 'libs/heartbeat');
const run = promisify(execFile);

/** Packages of the app beside the library and its peers: Nest's own starter has these too. */
const OF_THE_APP = ['@nestjs/platform-express', '@types/node', 'typescript'];

const MAIN = `
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { ConnectionService, HeartbeatModule, HeartbeatWsAdapter } from 'nestjs-heartbeat';

@WebSocketGateway({ path: '/live' })
class LiveGateway {
  @SubscribeMessage('shout')
  shout(@MessageBody() text: string) {
    return { event: 'shout', data: text.toUpperCase() };
  }
}

@Controller()
class CountController {
  constructor(private readonly connections: ConnectionService) {}

  @Get('paths')
  paths(): string[] {
    return this.connections.list().items.map(({ path }) => path);
  }
}

@Module({ imports: [HeartbeatModule.forRoot()], controllers: [CountController], providers: [LiveGateway] })
class AppModule {}

const app = await NestFactory.create(AppModule);
app.useWebSocketAdapter(new HeartbeatWsAdapter(app)); // in the place of Nest's WsAdapter
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
console.log(await app.getUrl());
`;

/** Not run: what the compiler must take, and what it must not. */
const TYPES = `
import {
  type Connection,
  ConnectionService,
  CurrentConnection,
  type HeartbeatEvent,
  HeartbeatEvents,
  HeartbeatModule,
  type HeartbeatOptions,
  type TrackedSocket,
} from 'nestjs-heartbeat';
import { connectionView, resolveOptions, runChecks, thisSystem } from 'nestjs-heartbeat/tooling';

export const options: HeartbeatOptions = { heartbeat: { intervalMs: 20_000 }, limits: { maxConnections: 5 } };
HeartbeatModule.forRoot({ ...options, isGlobal: true });
HeartbeatModule.forRootAsync({ inject: [String], useFactory: async (text: string) => ({ closedHistory: text.length }) });
// @ts-expect-error no such group
HeartbeatModule.forRoot({ heartbeats: {} });
// @ts-expect-error no such option
HeartbeatModule.forRoot({ heartbeat: { interval: 1 } });
// @ts-expect-error durations are numbers
HeartbeatModule.forRoot({ heartbeat: { intervalMs: '25s' } });

export const worst = runChecks({ options: resolveOptions(options), system: thisSystem, proxyHeaderSeen: false })[0]?.severity;
export const members: string[] = Object.keys(connectionView.shape);

export class Uses {
  constructor(
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  async use(@CurrentConnection() connection: Connection, socket: TrackedSocket): Promise<number> {
    connection.defer(() => socket.terminate());
    await connection.send({ rtt: connection.rttMs?.toFixed(1), aborted: connection.signal.aborted });
    this.events.stream.subscribe((event: HeartbeatEvent) => {
      if (event.type === 'closed') console.log(event.code, event.by, event.connection.path);
      // @ts-expect-error only a closed one has a code
      if (event.type === 'opened') console.log(event.code);
    });
    const count: number = this.connections.count;
    const buffered: number = socket.bufferedAmount;
    // @ts-expect-error a socket is a WebSocket, not anything
    socket.nothingOfTheKind();
    return count + buffered;
  }

  handleConnection(client: TrackedSocket): void {
    const { connection } = client;
    const userId: string | null = client.connection.userId;
    client.connection.defer(() => console.log(connection.id, userId));
    // @ts-expect-error the connection is set by the library only
    client.connection = connection;
  }
}
`;

/** Run as CommonJS and compiled with the resolution of old compilers, which reads \`main\` and \`types\`. */
const OLD = `
import { HeartbeatModule, type HeartbeatOptions } from 'nestjs-heartbeat';
import { resolveOptions } from 'nestjs-heartbeat/tooling';

const options: HeartbeatOptions = { heartbeat: { intervalMs: 20_000 } };
console.log(HeartbeatModule.forRoot(options).module.name, resolveOptions(options).heartbeat.intervalMs);
`;

const OLD_TSCONFIG = {
  compilerOptions: {
    module: 'commonjs',
    moduleResolution: 'node10',
    ignoreDeprecations: '6.0',
    target: 'ES2023',
    types: ['node'],
    strict: true,
    esModuleInterop: true,
    // Packages that are not ours do not resolve in their own declarations.
    skipLibCheck: true,
    rootDir: 'old',
    outDir: 'old-dist',
  },
  include: ['old'],
};

const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    target: 'ES2023',
    types: ['node'],
    strict: true,
    // The packed types are checked too.
    skipLibCheck: false,
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
};

describe('The packed library', () => {
  let folder: string;
  let packed: string[];
  let manifest: Record<string, unknown>;

  beforeAll(async () => {
    await run(process.execPath, [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', 'heartbeat'], {
      cwd: ROOT,
    });
    folder = await realpath(await mkdtemp(join(tmpdir(), 'packed-')));
    const pack = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: LIBRARY,
    });
    const [tarball] = JSON.parse(pack.stdout) as { filename: string; files: { path: string }[] }[];
    packed = tarball!.files.map(({ path }) => path);
    const target = join(folder, 'node_modules/nestjs-heartbeat');
    await mkdir(target, { recursive: true });
    await run('tar', ['-xzf', join(folder, tarball!.filename), '--strip-components=1', '-C', target]);
    // A registry would bring what the manifest names, and nothing else: so nothing else is there.
    manifest = JSON.parse(await readFile(join(target, 'package.json'), 'utf8')) as Record<string, unknown>;
    const { dependencies, peerDependencies } = manifest as Record<string, object>;
    const wanted = [...OF_THE_APP, ...Object.keys({ ...dependencies, ...peerDependencies })];
    for (const name of wanted) {
      const link = join(folder, 'node_modules', name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(ROOT, 'node_modules', name), link);
    }
    await mkdir(join(folder, 'src'));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'somebody', private: true, type: 'module' }));
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    await writeFile(join(folder, 'src/main.ts'), MAIN);
    await writeFile(join(folder, 'src/types.ts'), TYPES);
    await mkdir(join(folder, 'old'));
    await writeFile(join(folder, 'tsconfig.old.json'), JSON.stringify(OLD_TSCONFIG));
    await writeFile(join(folder, 'old/main.cts'), OLD);
  }, 240_000);

  afterAll(async () => {
    await ServerProcess.stopAll();
    await rm(folder, { recursive: true, force: true });
  });

  it('holds what runs and its types, and no tests, no build records, no places of the machine that built it', async () => {
    const needed = ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts'];
    expect(packed).toEqual(expect.arrayContaining(needed));
    expect(packed.filter(path => /\.spec\.|\.tsbuildinfo$|^src\/|^test\//.test(path))).toEqual([]);
    for (const name of await readdir(join(folder, 'node_modules/nestjs-heartbeat/dist'), { recursive: true })) {
      if (!/\.(js|ts|map)$/.test(name)) continue;
      const text = await readFile(join(folder, 'node_modules/nestjs-heartbeat/dist', name), 'utf8');
      expect(text.includes(ROOT) ? `${name} names ${ROOT}` : '').toBe('');
    }
  });

  it('holds no source map, and refers to none, since the sources are not in it', async () => {
    expect(packed.filter(path => path.endsWith('.map'))).toEqual([]);
    const scripts = packed.filter(path => /^dist\/.*\.(js|ts)$/.test(path));
    expect(scripts.length).toBeGreaterThan(100);
    const referring = await Promise.all(
      scripts.map(async path => {
        const text = await readFile(join(folder, 'node_modules/nestjs-heartbeat', path), 'utf8');
        return text.includes('sourceMappingURL') ? [path] : [];
      }),
    );
    expect(referring.flat()).toEqual([]);
  });

  it('holds a file for each source of the library, and no other file of code', async () => {
    const sources = (await readdir(join(LIBRARY, 'src'), { recursive: true }))
      .filter(path => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
      .map(path => path.slice(0, -'.ts'.length));
    const expected = sources.flatMap(path => [`dist/${path}.d.ts`, `dist/${path}.js`]);
    expect(packed.filter(path => path.startsWith('dist/')).toSorted()).toEqual(expected.toSorted());
  });

  it('states its licence, repository and keywords', () => {
    expect(manifest).toMatchObject({ license: 'MIT', repository: { type: 'git', directory: 'libs/heartbeat' } });
    expect(manifest['keywords']).toEqual(expect.arrayContaining(['nestjs', 'websocket', 'heartbeat']));
  });

  it('resolves alike with and without exports', () => {
    const { main, types, exports } = manifest as Record<string, string> & { exports: Record<string, object> };
    expect(exports['.']).toEqual({ types, default: main });
    expect(packed).toEqual(expect.arrayContaining([main, types].map(path => path?.replace('./', ''))));
    const { tooling } = (manifest as { typesVersions: Record<string, Record<string, string[]>> }).typesVersions['*']!;
    expect(exports['./tooling']).toEqual({ types: tooling?.[0], default: './dist/tooling.js' });
  });

  it('type-checks with the resolution of old compilers, and runs by require', async () => {
    const tsc = join(folder, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, '-p', 'tsconfig.old.json'], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe('');
    const ran = await run(process.execPath, ['--no-warnings', join(folder, 'old-dist/main.cjs')], { cwd: folder });
    expect(ran.stdout).toBe('HeartbeatModule 20000\n');
  }, 240_000);

  it('type-checks in an app of its own, its declarations included', async () => {
    const tsc = join(folder, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, '-p', '.'], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe('');
  }, 240_000);

  it('tracks the sockets of a gateway on a path of its own, and closes them with 1001 at the end', async () => {
    const app = await ServerProcess.start({ entry: join(folder, 'dist/main.js') });
    const clients = [
      await RawClient.opened({ port: app.port, path: '/live' }),
      await RawClient.opened({ port: app.port, path: '/live' }),
    ];
    const paths = async (): Promise<unknown> => (await fetch(`${app.url}/paths`)).json();
    expect(await paths()).toEqual(['/live', '/live']);
    clients[0]!.sendEvent('shout', 'hello');
    await until(() => clients[0]!.messages.length === 1);
    expect(clients[0]!.json).toEqual([{ event: 'shout', data: 'HELLO' }]);
    clients[0]!.close(1000);
    await until(async () => JSON.stringify(await paths()) === '["/live"]');
    app.signal('SIGTERM');
    expect(await clients[1]!.ended).toMatchObject({ code: 1001 });
    const { code, signal } = await app.exited;
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGTERM' });
  });
});
