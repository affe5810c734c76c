/** The published types show what is promised, and no more: `public-surface.txt` is the reviewed list, by entry, name and member. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { publicSurface, type Surface } from './support/public-surface.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = join(ROOT, 'libs/heartbeat/src/');
const LIST = join(ROOT, 'test/public-surface.txt');

/** Marks a type that a public signature mentions, and that no entry exports. */
const HIDDEN = 'hidden ';

let surface: Surface;
let reviewed: string[];

beforeAll(() => {
  const { config } = ts.readConfigFile(join(ROOT, 'libs/heartbeat/tsconfig.lib.json'), ts.sys.readFile) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(ROOT, 'libs/heartbeat'));
  const entries = ['index', 'graphql', 'socket.io', 'tooling'].map(name => ({
    name,
    file: join(SOURCE, `${name}.ts`),
  }));
  surface = publicSurface(entries, { ...options, outDir: undefined }, file => file.startsWith(SOURCE));
  reviewed = readFileSync(LIST, 'utf8').trimEnd().split('\n');
}, 120_000);

describe('the published types', () => {
  it('have the names and members of the reviewed list', () => {
    expect(surface.lines).toEqual(reviewed.filter(line => !line.startsWith(HIDDEN)));
  });

  it('mention no other type that cannot be imported than the reviewed list', () => {
    expect(surface.hidden.map(line => HIDDEN + line)).toEqual(reviewed.filter(line => line.startsWith(HIDDEN)));
  });
});
