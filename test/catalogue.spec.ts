/**
 * Every text with which the library and the server refuse or warn, with the inputs that lead to it. Each text is the name of a
 * test, so a verbose run prints the whole catalogue; each test holds what a reader of the text needs.
 */
import { describe, expect, it } from '@jest/globals';
import { HeartbeatError, HeartbeatModule, HeartbeatWsAdapter, type HeartbeatOptions } from 'nestjs-heartbeat';
import { DEFAULTS, runChecks, type Finding, resolveOptions, type SystemReader } from 'nestjs-heartbeat/tooling';
import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import { doctorReport } from '../apps/server/src/doctor-report.js';
import { EnvironmentError, readEnvironment } from '../apps/server/src/environment.js';
import { OPTION_VARIABLES } from '../apps/server/src/option-variables.js';

/** Text that no reader can use: placeholders that were filled with nothing, with a negative number, or with an object's tag. */
const UNUSABLE = /\bundefined\b|\bNaN\b|\[object|(?<!")\bnull\b|(?<![\w-])-\d|\bfalse for|" ?for "s"|\binfinity\b/i;

/** The faults of a text: its advice is empty, unusable or long, or it has more than one line. */
function faultsOf(advice: string): string[] {
  const faults = [
    [/\n/.test(advice), 'has several lines'],
    [/ {2}|\s$|^\s|\.\.(?!\.)/.test(advice), 'has stray blanks or stops'],
    [UNUSABLE.test(advice), 'has a placeholder that is not filled'],
    [advice.length < 8 || advice.length > 500, 'is empty or too long'],
  ] as const;
  return faults.filter(([is]) => is).map(([, what]) => `${what}: ${advice}`);
}

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was thrown');
}

function leaves(options: object, above: readonly string[] = []): string[][] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isGroup ? leaves(value, [...above, key]) : [[...above, key]];
  });
}

const optionsWith = (path: readonly string[], value: unknown): HeartbeatOptions =>
  path.toReversed().reduce<unknown>((inner, key) => ({ [key]: inner }), value) as HeartbeatOptions;

/** A bad value of each kind; of a list also a bad item. */
const BAD: readonly unknown[] = [null, -1, 1.5, Number.NaN, {}, ['\u0000'], [7], Symbol('x'), () => 0, ''];

describe('a wrong option', () => {
  const texts = leaves(DEFAULTS).flatMap(path =>
    BAD.flatMap(value => {
      const option = path.join('.');
      try {
        resolveOptions(optionsWith(path, value));
        return [];
      } catch (error) {
        if (!(error instanceof HeartbeatError)) throw error;
        return error.problems.map(
          problem => [`${option}: ${error.message.split('\n').slice(1).join('')}`, option, problem] as const,
        );
      }
    }),
  );

  it('is refused for each option in at least five kinds', () => {
    const counts = leaves(DEFAULTS).map(path => texts.filter(([, option]) => option === path.join('.')).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(5);
  });

  it.each(texts)('%s', (_text, option, { key, rule, remedy }) => {
    expect(key.replace(/\.\d+$/, '')).toBe(option);
    expect([rule, remedy].flatMap(faultsOf)).toEqual([]);
    expect(remedy).toMatch(/leave .+ out for \S/);
  });
});

describe('a wrong variable', () => {
  const texts = OPTION_VARIABLES.flatMap(({ name, path }) =>
    ['no, such: thing', '-1', '1.5', '99999999999999999999'].flatMap(value => {
      try {
        readEnvironment({ ADMIN_TOKEN: 'x'.repeat(24), [name]: value });
        return [];
      } catch (error) {
        if (!(error instanceof EnvironmentError)) throw error;
        return error.problems.map(
          problem => [error.message.split('\n').slice(1).join(''), name, path, problem] as const,
        );
      }
    }),
  );

  it('is refused for each variable but those that take any text', () => {
    const refused = new Set(texts.map(([, name]) => name));
    expect(OPTION_VARIABLES.map(({ name }) => name).filter(name => !refused.has(name))).toEqual(['HEARTBEAT_EVENT']);
  });

  it.each(texts)('%s', (_text, name, path, { key, rule, remedy }) => {
    expect(key).toBe(name);
    expect([rule, remedy].flatMap(faultsOf)).toEqual([]);
    expect(`${rule} ${remedy}`).not.toContain(`${path[0]}.`);
    expect(`${rule} ${remedy}`).not.toMatch(/\b[a-z]+\.[a-z]+[A-Z]\w+\b/);
  });
});

class Guard {
  canActivate(): boolean {
    return true;
  }
}
const useFactory = () => ({});

describe('a wrong extra or argument', () => {
  const { forRoot, forRootAsync } = HeartbeatModule as unknown as Record<
    'forRoot' | 'forRootAsync',
    (given?: unknown) => unknown
  >;
  const Adapter = HeartbeatWsAdapter as unknown as new (...given: unknown[]) => unknown;
  const root = (given: unknown) => () => forRoot.call(HeartbeatModule, given);
  const rootAsync = (given?: unknown) => () => forRootAsync.call(HeartbeatModule, given);
  const app = { get: () => 0, select: () => 0, resolve: () => 0 };

  const cases: readonly (readonly [names: RegExp, run: () => unknown])[] = [
    [/isGlobal is "yes" but must be true or false/, root({ isGlobal: 'yes' })],
    [/isGlobal is 1 but/, root({ isGlobal: 1 })],
    [/isGlobal is null but/, root({ isGlobal: null })],
    [/routes\.helth .*the routes are health, metrics, admin/, root({ routes: { helth: '/health' } })],
    [/routes is "\/admin" but must be an object/, root({ routes: '/admin' })],
    [/routes is \[\] but/, root({ routes: [] })],
    [/routes\.admin is true but .*or false.*"\/admin"/, root({ routes: { admin: true } })],
    [/routes\.health is "" but/, root({ routes: { health: '' } })],
    [/routes\.metrics is "\/a b" but/, root({ routes: { metrics: '/a b' } })],
    [/routes\.metrics is "\/m\?x=1" but/, root({ routes: { metrics: '/m?x=1' } })],
    [/routes\.admin is null but/, root({ routes: { admin: null } })],
    [/adminGuard is \(an instance\).*give the class/, root({ adminGuard: new Guard() })],
    [/adminGuard is a function but must be a guard class/, root({ adminGuard: () => true })],
    [/adminGuard is "jwt" but/, root({ adminGuard: 'jwt' })],
    [/2 extras are wrong/, root({ isGlobal: 'no', routes: { a: 1 } })],
    [/must have one of useFactory, useClass, useExisting/, rootAsync({})],
    [/forRootAsync is undefined but/, rootAsync()],
    [/useFactory, useClass/, rootAsync({ useFactory, useClass: Guard })],
    [/isGlobl is .*is not a key of forRootAsync/, rootAsync({ useFactory, isGlobl: true })],
    [/heartbeat is .*options are returned by useFactory/, rootAsync({ useFactory, heartbeat: { intervalMs: 1 } })],
    [/routes\.helth/, rootAsync({ useFactory, routes: { helth: false } })],
    [/isGlobal is .*a factory returns options only/, () => resolveOptions({ isGlobal: true } as HeartbeatOptions)],
    [/app is \(an HTTP server\).*give it the Nest application/, () => new Adapter(createServer())],
    [/app is \(an HTTP framework or adapter\).*the Nest application/, () => new Adapter(new ExpressAdapter())],
    [/app is .*a promise.*await it/, () => new Adapter(Promise.resolve(app))],
    [/app is .*undefined/, () => new Adapter()],
    [/app is .*null/, () => new Adapter(null)],
    [/app is .*a class or a function/, () => new Adapter(Guard)],
    [/app is .*another object/, () => new Adapter({})],
    [/app is .*a TestingModule.*createNestApplication/, () => new Adapter({ ...app, createNestApplication: () => 0 })],
    [/messageParser is "json" but must be a function/, () => new Adapter(app, { messageParser: 'json' })],
    [/origins is .*not an option of the adapter.*forRoot/, () => new Adapter(app, { origins: ['*'] })],
    [/options is 5 but/, () => new Adapter(app, 5)],
    [
      /HeartbeatModule\.forRoot\(\)/,
      () =>
        new Adapter({
          ...app,
          get: () => {
            throw new Error('none');
          },
        }),
    ],
  ];

  it.each(cases.map(([names, run]) => [errorOf(run).message.replaceAll('\n', ' '), names, run] as const))(
    '%s',
    (_text, names, run) => {
      const error = errorOf(run);
      expect(error).toBeInstanceOf(HeartbeatError);
      expect(error.message).toMatch(new RegExp(names, 's'));
      expect((error as HeartbeatError).problems.flatMap(({ remedy }) => faultsOf(remedy))).toEqual([]);
    },
  );
});

const MIB = 1024 * 1024;
const token = (name: string, length: number) => ({ token: 'x'.repeat(length) + name, role: 'viewer', name }) as const;
interface Case {
  readonly options?: HeartbeatOptions;
  readonly files?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly heapMib?: number;
  readonly ws?: string | null;
  readonly seen?: boolean | null;
}
const grace = (seconds: string, drain: HeartbeatOptions['drain'] = {}): Case => ({
  variables: { TERMINATION_GRACE_PERIOD_SECONDS: seconds },
  options: { drain },
});
const files = (count: string): Case => ({
  files: { '/proc/self/limits': `Max open files            ${count}   ${count}  files\n` },
});
const conntrack = (name: string, value: string, options: HeartbeatOptions = {}): Case => ({
  options,
  files: { [`/proc/sys/net/netfilter/nf_conntrack_${name}`]: value },
});
const memory = (mib: number, heapMib: number, options: HeartbeatOptions = {}): Case => ({
  heapMib,
  options,
  files: { '/proc/meminfo': `MemTotal: ${mib * 1024} kB\n` },
});
const fixed = (ms: number): HeartbeatOptions => ({
  heartbeat: { intervalMs: ms, minIntervalMs: ms, maxIntervalMs: ms, pongTimeoutMs: 100, adaptive: false },
});

const findingsOf = ({ options, files: own = {}, variables, heapMib = 2048, ws = '8.23.0', seen = false }: Case) => {
  const all: Readonly<Record<string, string>> = { '/proc/meminfo': 'MemTotal: 8388608 kB\n', ...own };
  const system: SystemReader = {
    file: path => all[path] ?? null,
    variable: name => variables?.[name] || null,
    packageVersion: () => ws,
    heapLimitBytes: () => heapMib * MIB,
  };
  return runChecks({ options: resolveOptions(options), system, proxyHeaderSeen: seen });
};
const text = ({ severity, id, evidence, why, remedy }: Finding) => `${severity} ${id}: ${evidence}. ${why} ${remedy}`;

describe('a finding of the doctor', () => {
  const cases: readonly Case[] = [
    {},
    ...['0', '0.5', '1', '2', '10', '25.9', '30', '86400', '30s', '-5', 'x'].map(seconds => grace(seconds)),
    grace('10', { spreadMs: 12_000, deadlineMs: 20_000 }),
    grace('10', { readinessDelayMs: 15_000 }),
    ...['0', '1', '100', '256', '257', '9999', '10255', 'unlimited', '1048576'].map(files),
    ...['0', '1', '15', '45', '432000'].map(timeout => conntrack('tcp_timeout_established', timeout)),
    conntrack('tcp_timeout_established', '20', fixed(25_000)),
    ...['0', '1', '9999', '19999', '262144'].map(max => conntrack('max', max)),
    memory(16, 16),
    memory(64, 600),
    memory(512, 600),
    memory(512, 4096),
    memory(1, 4144),
    memory(8192, 2048, { limits: { maxConnections: 1 } }),
    memory(8192, 2048, { limits: { maxConnections: 10_000_000 } }),
    memory(8192, 16, { limits: { maxConnections: 10_000_000 } }),
    memory(8192, 2048, { backpressure: { maxTotalBufferedBytes: Number.MAX_SAFE_INTEGER } }),
    { options: fixed(2 ** 31 - 1) },
    { options: fixed(200) },
    { options: { tcp: { keepAlive: false } } },
    { options: { tcp: { keepAliveDelayMs: 0 } } },
    { files: { '/proc/sys/net/core/somaxconn': '0\n' } },
    ...['32768 60999', '60000 60000', '65535 1024', '0 0'].map(range => ({
      files: { '/proc/sys/net/ipv4/ip_local_port_range': range },
    })),
    { seen: true },
    { seen: null },
    { seen: true, options: { limits: { maxPerIp: 5 } } },
    { options: { trustedProxies: ['10.0.0.0/8', '::1'] } },
    { options: { trustedProxies: ['::/0'] } },
    { options: { admin: { tokens: [token('tv', 30)] } } },
    { options: { admin: { tokens: [token('tv', 3), token('ops', 30), token('ci', 1)] } } },
    ...[null, '8.23.0', '8.22.0', '7.0.0', '8.23.0-rc.1'].map(ws => ({ ws })),
  ];

  const findings = new Map(cases.flatMap(findingsOf).map(finding => [text(finding), finding]));

  it.each([...findings])('%s', (_text, finding) => {
    expect([finding.evidence, finding.why, finding.remedy].flatMap(faultsOf)).toEqual([]);
    expect(finding.remedy).toMatch(/[.]$/);
    // A count reads as a count, and a value that is proposed is one that the options take.
    expect(finding.evidence).not.toMatch(/\bholds? \d|\b1 \w+s are\b/);
    expect(finding.remedy).not.toMatch(/ to 0\b| below 0\b|=0\b/);
  });

  it('names variables only, as the server’s doctor writes it', () => {
    const report = doctorReport([...findings.values()]);
    expect(report).not.toMatch(/\b(?:heartbeat|limits|drain|backpressure|tcp|load|admin|cluster)\.[a-z]/);
    expect(report).not.toMatch(/ADMIN_TOKEN (?:holds|is) \d/);
  });
});
