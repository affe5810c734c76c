import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support/documents.js';
import { PROGRAMS, TSCONFIGS } from './packed-sources.js';

export const LIBRARY = join(ROOT, 'libs/heartbeat');
export const run = promisify(execFile);

/** Packages of an application beside the library and its peers: Nest's own starter has most of them. */
const OF_THE_APP = ['@nestjs/platform-express', '@nestjs/platform-fastify', '@types/node', 'socket.io'];
/** The packages that belong to Nest 11. The registry has their last versions. */
const NEST_11 = [
  '@nestjs/common@11',
  '@nestjs/core@11',
  '@nestjs/platform-express@11',
  '@nestjs/platform-fastify@11',
  '@nestjs/schedule@6',
  '@nestjs/terminus@11',
  '@nestjs/websockets@11',
];
/** How npm installs, and nothing besides. */
const HOW = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--strict-peer-deps'];

/** The library as npm would deliver it. */
export interface PackedLibrary {
  readonly tarball: string;
  /** The files in it. */
  readonly files: readonly string[];
  readonly manifest: Readonly<Record<string, unknown>>;
}

/** Packs the library into a folder, built unless its build is newer than its sources. */
export async function packLibrary(folder: string): Promise<PackedLibrary> {
  await run(process.execPath, [join(ROOT, '.ci/prepare.mjs'), 'pack']);
  const pack = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: LIBRARY });
  const [packed] = JSON.parse(pack.stdout) as { filename: string; files: { path: string }[] }[];
  const tarball = join(folder, packed!.filename);
  const manifest = await run('tar', ['-xzOf', tarball, 'package/package.json']);
  return {
    tarball,
    files: packed!.files.map(({ path }) => path),
    manifest: JSON.parse(manifest.stdout) as Record<string, unknown>,
  };
}

/** An application in a folder of its own, outside the repository, which has the packed library. */
export class PackedApp {
  private constructor(readonly folder: string) {}

  /** @param programs The names of its programs in `packed-sources.ts`. */
  static async create(...programs: (keyof typeof PROGRAMS)[]): Promise<PackedApp> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'packed-')));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
    for (const [name, settings] of Object.entries(TSCONFIGS)) {
      await writeFile(join(folder, name), JSON.stringify(settings));
    }
    for (const name of programs) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), PROGRAMS[name]);
    }
    return new PackedApp(folder);
  }

  /** Links what the manifest names, in the repository's versions. A registry would bring nothing else, so nothing else is there. */
  async link({ tarball, manifest }: PackedLibrary): Promise<void> {
    const target = join(this.folder, 'node_modules/nestjs-heartbeat');
    await mkdir(target, { recursive: true });
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
    const { dependencies, peerDependencies } = manifest as Record<string, object>;
    for (const name of new Set([...OF_THE_APP, ...Object.keys({ ...dependencies, ...peerDependencies })])) {
      const link = join(this.folder, 'node_modules', name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(ROOT, 'node_modules', name), link);
    }
  }

  /** Installs the library, and Nest 11 from the registry, as its manifest demands: a peer in another version is an error. */
  async installWithNest11({ tarball }: PackedLibrary): Promise<void> {
    const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Record<
      string,
      object
    >;
    const versions = Object.entries(devDependencies!).filter(([name]) => OF_THE_APP.includes(name));
    const others = versions.filter(([name]) => !name.startsWith('@nestjs/')).map(([name, range]) => `${name}@${range}`);
    await run('npm', ['install', ...HOW, ...NEST_11, ...others, tarball], { cwd: this.folder });
  }

  /** Compiles the sources of one of its settings; returns what the compiler objects to. */
  async compile(settings: keyof typeof TSCONFIGS): Promise<string> {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = run(process.execPath, [tsc, '-p', settings], { cwd: this.folder });
    return (await compiled.catch((error: { stdout: string }) => error)).stdout;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
