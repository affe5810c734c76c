import { describe, expect, it } from '@jest/globals';
import { parseArguments, type LoadOptions, type Surroundings } from './arguments.js';

const LINUX: Surroundings = { platform: 'linux', socketsPerProcess: 19_900, seed: 7 };

function options(...argv: string[]): LoadOptions {
  const parsed = parseArguments(argv, LINUX);
  if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

function problems(argv: string[], surroundings = LINUX): readonly string[] {
  const parsed = parseArguments(argv, surroundings);
  return parsed.kind === 'problems' ? parsed.problems : [];
}

describe('parseArguments', () => {
  it('runs without any argument', () => {
    expect(options()).toEqual({
      target: {
        url: 'ws://127.0.0.1:3000/ws',
        host: '127.0.0.1',
        port: 3000,
        hostHeader: '127.0.0.1:3000',
        path: '/ws',
      },
      connections: 2000,
      silent: 200,
      stopped: 40,
      echoing: 176,
      echoEveryMs: 1000,
      openPerSecond: 0,
      seconds: 60,
      seed: 7,
      intervalMs: null,
      pongTimeoutMs: null,
      missedPongs: 2,
      jsonFile: null,
    });
  });

  it('takes shares as percentages and as counts', () => {
    expect(options('--connections', '50', '--silent', '12', '--stopped=4%', '--echo', '100%')).toMatchObject({
      silent: 12,
      stopped: 2,
      echoing: 36,
    });
  });

  it('never rounds away a share that was asked for', () => {
    expect(options('--connections', '20', '--stopped', '2%').stopped).toBe(1);
  });

  it('takes none for an answer', () => {
    expect(options('--silent', '0%', '--stopped', '0', '--seconds', '1')).toMatchObject({ silent: 0, stopped: 0 });
  });

  it('prefers help to everything else', () => {
    expect(parseArguments(['--nonsense', '--help'], LINUX)).toEqual({ kind: 'help' });
  });

  it('lists every problem, not only the first', () => {
    expect(problems(['--connections', '70000', '--seconds', 'ten', '--silent', '110%', '--colour', 'red'])).toEqual([
      '--colour is not a flag of this tool: see --help',
      '--connections is 70000 but must be a whole number from 1 to 60000: leave it out for 2000',
      '--silent is 110% but must be a percentage up to 100% or a number of clients up to 60000: write it like 10% or 200',
      '--seconds is ten but must be a whole number from 1 to 3600: leave it out for 60',
    ]);
  });

  it.each<[argv: string[], problem: RegExp]>([
    [['--connections', '0'], /^--connections is 0 but must be a whole number from 1 to 60000/],
    [['--connections', '1e3'], /^--connections is 1e3 but must be a whole number/],
    [['--connections=-5'], /^--connections is -5 but/],
    [['--seconds', '3601'], /^--seconds is 3601 but must be a whole number from 1 to 3600/],
    [['--silent', '2001'], /^--silent is 2001 but must be .* up to 2000/],
    [['--silent', 'many'], /^--silent is many but/],
    [['--echo-every', '5'], /^--echo-every is 5 but must be a whole number from 10 /],
    [['--missed-pongs', '0'], /^--missed-pongs is 0 but/],
    [['--seed', '-'], /^--seed is - but/],
    [['--url', 'wss://127.0.0.1/'], /^--url is wss:\/\/127.0.0.1\/ but must be a plain ws:\/\/ URL: /],
    [['--url', 'ws://example.com/'], /must be a loopback host .*: run this tool beside the server$/],
    [['--url'], /^--url has no value but must have one, URL: add it$/],
    [['--url', '--seconds'], /^--url has no value/],
    [['--json='], /^--json is empty but must be the name of a file/],
    [['--seconds', '60', '--seconds', '70'], /^--seconds is given twice/],
    [['-h'], /^-h is not a flag/],
    [['stray'], /^stray is not a flag/],
    [['--silent', '60%', '--stopped', '50%'], /^--silent and --stopped are 1200 and 1000 clients but must be at most/],
    [['--interval', '25000', '--pong-timeout', '10000', '--seconds', '30'], /^--seconds is 30 but must be at least 48/],
    [
      ['--url', 'ws://[::1]:3000/', '--connections', '30000'],
      /^--connections is 30000 but must be at most 25000 over ::1/,
    ],
  ])('refuses %j in one line', (argv, problem) => {
    expect(problems(argv)).toEqual([expect.stringMatching(problem)]);
  });

  it('refuses stopped clients where their end could not be seen', () => {
    expect(problems([], { ...LINUX, platform: 'darwin' })).toEqual([expect.stringMatching(/^--stopped is 40 clients/)]);
    expect(problems(['--stopped', '0'], { ...LINUX, platform: 'darwin' })).toEqual([]);
  });

  it('refuses more connections than sixteen processes hold', () => {
    expect(problems(['--connections', '20000'], { ...LINUX, socketsPerProcess: 924 })).toEqual([
      expect.stringMatching(/^--connections is 20000 but must be at most 14784 where 924 sockets fit .*ulimit -n/),
    ]);
  });

  it('accepts a short run without faulty clients', () => {
    expect(
      options('--interval', '25000', '--pong-timeout', '10000', '--seconds', '5', '--silent', '0', '--stopped', '0'),
    ).toMatchObject({ seconds: 5, intervalMs: 25_000, pongTimeoutMs: 10_000 });
  });
});
