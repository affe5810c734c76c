/**
 * The documents agree with the code: tables are compared with the constants that they describe. A new option, route or close code fails
 * here until its table lists it. Each has its rule in exactly one document.
 */
import { describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CloseCodes } from 'nestjs-heartbeat';
import { DEFAULTS } from 'nestjs-heartbeat/tooling';
import { readingsOf, type Results } from '../apps/bench/src/results.js';
import { renderTable, titleOf } from '../apps/bench/src/table.js';
import { FIGURE_NAMES } from '../apps/bench/src/figures.js';
import { readEnvironment } from '../apps/server/src/environment.js';
import { OPERATIONS } from '../apps/server/src/openapi.js';
import { OPTION_VARIABLES } from '../apps/server/src/option-variables.js';
import { blocksOf, cellsOf, columns, DOCUMENTS, read, ROOT, rowsOf, tableOf } from './support/documents.js';

const README = read('README.md');
const OPTIONS = read('docs/options.md');
const PROTOCOL = read('docs/protocol.md');
const HTTP_API = read('docs/http-api.md');
const ENVIRONMENT = read('docs/operations/environment.md');
const METRICS = read('docs/operations/probes-and-metrics.md');
const DOCTOR = read('docs/operations/doctor.md');
const PERFORMANCE = read('docs/performance/README.md');

/** Defaults that differ between machines, or have no literal. */
const IN_WORDS: Readonly<Record<string, string>> = {
  'drain.spreadMs': '10 for each connection, at most 5000',
  'drain.workTimeoutMs': 'the lesser of 10000 and what delay, spread and close leave of deadlineMs',
  'cluster.nodeName': 'host name',
  'backpressure.maxTotalBufferedBytes': 'a quarter of the heap limit',
  'metrics.registry': 'a separate one',
  'cluster.redisUrl': 'none',
  'cluster.client': 'none',
  authenticate: 'every client is anonymous',
  identityFromRequest: 'none',
};

/** A default as the tables show it. */
function shown(path: string, standard: unknown): string {
  const words = IN_WORDS[path];
  if (words !== undefined) return words;
  return typeof standard === 'string' ? standard : JSON.stringify(standard);
}

function leaves(options: object, above: readonly string[] = []): [path: string, standard: unknown][] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    const path = [...above, key];
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isGroup ? leaves(value, path) : [[path.join('.'), value] as [string, unknown]];
  });
}

describe('README.md', () => {
  const lines = README.split('\n');

  it('has at most 150 lines, and install and start within the first 30', () => {
    const top = lines.slice(0, 30).join('\n');
    expect(lines.length - 1).toBeLessThanOrEqual(150);
    expect(top).toContain('npm install');
    for (const line of ['HeartbeatModule.forRoot()', 'app.useWebSocketAdapter(', 'app.enableShutdownHooks('])
      expect(top).toContain(line);
  });

  it('shows the same application as the README that is packed with the library', () => {
    const [app] = blocksOf(README, 'ts');
    expect(blocksOf(read('libs/heartbeat/README.md'), 'ts')).toEqual([app]);
  });

  it('links to every document', () => {
    const pages = DOCUMENTS.filter(path => /^docs\/([a-z-]+|[a-z]+\/README)\.md$/.test(path));
    expect(pages.filter(page => !README.includes(`](${page})`) && !README.includes(`](${page}#`))).toEqual([]);
  });

  it('shows figures of the published table', () => {
    const [headings = [], ...published] = PERFORMANCE.split('\n')
      .map(cellsOf)
      .filter(cells => cells !== null)
      .filter(cells => cells.length > 8);
    const servers = ['ws', 'Nest', 'Nest + recipe', 'Socket.IO', 'heartbeat'];
    const figures = new Map(
      published.map(cells => [cells[0], servers.map(server => cells[headings.indexOf(server)])] as const),
    );
    const rows = tableOf(README, 'measure', ...servers);
    expect(rows).toHaveLength(5);
    for (const [measure, ...values] of rows) expect([measure, values]).toEqual([measure, figures.get(measure)]);
  });
});

describe('docs/options.md', () => {
  it('lists every option with its default', () => {
    const expected = leaves(DEFAULTS).map(([path, standard]) => [path, shown(path, standard)]);
    expect(columns(tableOf(OPTIONS, 'option', 'default'), 0, 1)).toEqual(Object.fromEntries(expected));
  });

  it('lists every extra', () => {
    const [, fields = ''] =
      /interface HeartbeatExtras \{\n([\s\S]*?)\n\}/.exec(read('libs/heartbeat/src/heartbeat.module-definition.ts')) ??
      [];
    const names = [...fields.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(tableOf(OPTIONS, 'extra', 'default').map(([name]) => name)).toEqual(names);
  });
});

describe('docs/api.md', () => {
  const API = read('docs/api.md');

  it('lists every member of a connection', () => {
    const surface = read('test/public-surface.txt');
    const members = [...surface.matchAll(/^index Connection\.(\w+)$/gm)].map(([, name]) => name);
    const rows = tableOf(API, 'member', 'meaning').map(([member = '']) => member.replace(/\(.*/, ''));
    expect(new Set(rows)).toEqual(new Set(members));
  });

  it('lists every error code', () => {
    const codes = unionIn('libs/heartbeat/src/base/heartbeat.error.ts', 'HeartbeatErrorCode');
    expect(
      tableOf(API, 'code', 'of')
        .map(([code = '']) => code)
        .toSorted(),
    ).toEqual(codes.toSorted());
  });
});

describe('docs/protocol.md', () => {
  it('lists every close code with its reason and whether to reconnect', () => {
    const reconnect = { yes: 'yes', 'after-delay': 'yes, after the advised delay', no: 'no' };
    const rows = tableOf(PROTOCOL, 'code', 'reason', 'when', 'reconnect').map(([code, reason, , again]) => [
      code,
      reason,
      again,
    ]);
    // `ws` sends these itself, without a reason.
    const ofWs = ['1002', '1007', '1008', '1009'];
    const ours = Object.values(CloseCodes).map(({ code, name, comeBack }) => [`${code}`, name, reconnect[comeBack]]);
    const expected = [
      ...ours.filter(([code = '']) => !ofWs.includes(code)),
      ...ofWs.map(code => [code, 'none', 'yes']),
    ];
    expect(rows).toEqual(expected.toSorted(([one], [other]) => Number(one) - Number(other)));
  });

  it('lists every refusal', () => {
    const [, list = ''] =
      /REFUSAL_REASONS = \[([^\]]+)\]/.exec(read('libs/heartbeat/src/connection/heartbeat.events.ts')) ?? [];
    const reasons = [...list.matchAll(/'([a-z-]+)'/g)].map(([, reason]) => reason);
    const rows = tableOf(PROTOCOL, 'status', 'type ends in').map(([, reason]) => reason);
    expect(new Set(rows)).toEqual(new Set(reasons));
  });
});

describe('docs/events.md', () => {
  it('lists every event', () => {
    const source = read('libs/heartbeat/src/connection/heartbeat.events.ts');
    const types = [...source.matchAll(/readonly type: '([a-z-]+)'/g)].map(([, type = '']) => type);
    const rows = tableOf(read('docs/events.md'), 'type', 'fields').map(([type = '']) => type);
    expect(rows.toSorted()).toEqual(types.toSorted());
  });
});

describe('docs/http-api.md', () => {
  it('lists every side that closes', () => {
    const rows = tableOf(HTTP_API, 'closedBy').map(([side]) => side);
    expect(new Set(rows)).toEqual(new Set(unionIn('libs/heartbeat/src/protocol/close-code.ts', 'ClosedBy')));
  });

  it('lists every HTTP route', () => {
    const expected = Object.keys(OPERATIONS).map(route => {
      const [method = '', path = ''] = route.split(' ');
      return `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/, ':$1')}`;
    });
    const rows = tableOf(HTTP_API, 'route').map(([route]) => route);
    expect(new Set(rows)).toEqual(new Set(expected));
  });

  it('lists every problem type of the routes', () => {
    const sources = ['admin', 'http', 'diagnosis']
      .flatMap(folder => sourcesIn(`libs/heartbeat/src/${folder}`))
      .join('\n');
    const [, snapshots = ''] = /PROBLEM_NAMES = \{([^}]+)\}/.exec(sources) ?? [];
    const names = [
      ...sources.matchAll(/problemOf\('([a-z-]+)'/g),
      ...sources.matchAll(/badInput\('([a-z-]+)'/g),
      ...snapshots.matchAll(/: '([a-z-]+)'/g),
    ].map(([, name]) => name);
    const rows = tableOf(HTTP_API, 'type ends in', 'status').flatMap(([list = '']) => list.split(', '));
    expect(names.length).toBeGreaterThan(12);
    expect(new Set(rows)).toEqual(new Set(names));
  });
});

/** The sources of a folder, without specs. */
function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map(name => read(`${folder}/${name}`));
}

/** The texts of a union, as its source declares them; a placeholder without its type. */
function unionIn(path: string, name: string): string[] {
  const [, union = ''] = new RegExp(`type ${name} =([^;]+);`).exec(read(path)) ?? [];
  const texts = [...union.matchAll(/['`](.+?)['`]/g)].map(([, text = '']) => text.replace(/\$\{.*\}/, '<reason>'));
  expect(texts.length).toBeGreaterThan(1);
  return texts;
}

describe('docs/operations', () => {
  it('lists every result of the audit log', () => {
    const rows = tableOf(read('docs/operations/audit.md'), 'result', 'meaning').map(([result]) => result);
    expect(new Set(rows)).toEqual(new Set(unionIn('libs/heartbeat/src/node/audit-entry.ts', 'AuditResult')));
  });

  it('lists every level of the load', () => {
    const rows = tableOf(read('docs/operations/overload.md'), 'level').map(([level]) => level);
    expect(rows).toEqual(unionIn('libs/heartbeat/src/node/load-state.ts', 'LoadLevel'));
  });

  it('lists every variable of the server itself with its default', () => {
    const [, source = ''] =
      /const OWN_VARIABLES = \{\n([\s\S]*?)\n\};/.exec(read('apps/server/src/environment.ts')) ?? [];
    const names = [...source.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
    const rows = columns(tableOf(ENVIRONMENT, 'variable', 'default'), 0, 1);
    expect(Object.keys(rows)).toEqual(names);
    const { host, port, wsPath, logLevel, logFormat } = readEnvironment({});
    const defaults = { HOST: host, PORT: `${port}`, WS_PATH: wsPath, LOG_LEVEL: logLevel, LOG_FORMAT: logFormat };
    expect(rows).toMatchObject(defaults);
  });

  it('lists every variable of an option with its default', () => {
    const expected = OPTION_VARIABLES.map(({ name, path, standard }) => {
      const option = path.join('.');
      return [name, option, shown(option, standard)];
    });
    const rows = tableOf(ENVIRONMENT, 'variable', 'option', 'default');
    expect(new Set(rows.map(cells => cells.join(' = ')))).toEqual(new Set(expected.map(cells => cells.join(' = '))));
  });

  it('lists every metric', () => {
    const sources = ['event-metrics', 'read-metrics']
      .map(name => read(`libs/heartbeat/src/metrics/${name}.ts`))
      .join('');
    const names = [...sources.matchAll(/\bmetrics\.\w+\(\s*'([a-z_]+)'/g)].map(([, name]) => name);
    const rows = tableOf(METRICS, 'metric', 'type').map(([name]) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(rows)).toEqual(new Set(names));
  });

  it('lists every check of the doctor', () => {
    const sources = sourcesIn('libs/heartbeat/src/doctor').join('');
    const ids = [...sources.matchAll(/^ +id: '([a-z-]+)'/gm)].map(([, id]) => id);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(tableOf(DOCTOR, 'check').map(([id]) => id))).toEqual(new Set(ids));
  });
});

describe('docs/architecture.md', () => {
  it('lists every folder of the library', () => {
    const folders = readdirSync(join(ROOT, 'libs/heartbeat/src'), { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(({ name }) => `${name}/`);
    const layers = tableOf(read('docs/architecture.md'), 'layer').map(([, , where = '']) => where);
    expect(folders.filter(folder => !layers.join(' ').split(' ').includes(folder))).toEqual([]);
  });
});

describe('docs/performance/README.md', () => {
  it('shows the table of the results beside it', () => {
    const results = JSON.parse(read('docs/performance/results.json')) as Results;
    expect(PERFORMANCE).toContain(`\n${renderTable(readingsOf(results))}\n`);
  });

  it('names the rows that have no published figure, each with its goal', () => {
    const results = JSON.parse(read('docs/performance/results.json')) as Results;
    const absent = FIGURE_NAMES.filter(figure => !(figure in results.figures)).map(titleOf);
    const named = PERFORMANCE.split('\n').filter(line => /^\|[^|]*\| ≤ [^|]*\| not measured yet/.test(line));
    expect(named.map(line => line.split('|')[1]?.trim())).toEqual(absent);
  });
});

describe.each([
  ['option', ['option', 'default']],
  ['member of a connection', ['member', 'meaning']],
  ['error code', ['code', 'of']],
  ['close code', ['code', 'reason']],
  ['refusal', ['status', 'type ends in']],
  ['route', ['route']],
  ['event', ['type', 'fields']],
  ['variable of the server', ['variable', 'default']],
  ['variable of an option', ['variable', 'option']],
  ['metric', ['metric', 'type']],
  ['check of the doctor', ['check']],
])('the rule of each %s', (_kind, headings) => {
  it('is in exactly one document, once', () => {
    const places = new Map<string, string[]>();
    for (const path of DOCUMENTS) {
      for (const cells of rowsOf(read(path), ...headings)) {
        const key = headings[0] === 'status' ? cells[1]! : cells[0]!;
        places.set(key, [...(places.get(key) ?? []), path]);
      }
    }
    expect(places.size).toBeGreaterThan(10);
    expect([...places].filter(([, paths]) => paths.length > 1)).toEqual([]);
  });
});

describe('the changelog', () => {
  it('is packed with the library, and has its version', () => {
    expect(read('libs/heartbeat/CHANGELOG.md')).toBe(read('CHANGELOG.md'));
    const { version } = JSON.parse(read('libs/heartbeat/package.json')) as { version: string };
    expect(read('CHANGELOG.md')).toContain(`## [${version}]`);
    expect(README).toContain(`nestjs-heartbeat-${version}.tgz`);
  });
});

describe('the licence', () => {
  it('is packed with the library', () => {
    expect(read('libs/heartbeat/LICENSE')).toBe(read('LICENSE'));
    expect(read('LICENSE')).toMatch(/^MIT License\n/);
  });
});
