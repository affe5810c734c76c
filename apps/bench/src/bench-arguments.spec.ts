import { describe, expect, it } from '@jest/globals';
import { benchUsage, BENCH_FLAGS, parseBenchArguments } from './bench-arguments.js';
import { FULL, QUICK } from './bench-plan.js';

const parse = (line: string, sockets = 19_900) => parseBenchArguments(line.split(' ').filter(Boolean), sockets);

function accepted(line: string) {
  const parsed = parse(line);
  if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed));
  return parsed.arguments;
}

describe('parseBenchArguments', () => {
  it('measures everything at full size when nothing is asked for', () => {
    expect(accepted('')).toMatchObject({ plan: FULL, isWhole: true, outFolder: null, profileFolder: null });
  });

  it('takes the measures and servers that are named, in their own order', () => {
    const { measures, servers, isWhole } = accepted('--only heap,accept --servers heartbeat,nest');
    expect(measures.map(({ name }) => name)).toEqual(['accept', 'heap']);
    expect(servers).toEqual(['nest', 'heartbeat']);
    expect(isWhole).toBe(false);
  });

  it('fits what depends on the number of clients to it', () => {
    expect(accepted('--quick --connections 100').plan).toMatchObject({ silent: 20, warmUp: 50, intervalMs: 500 });
    expect(accepted('--connections 200').plan).toMatchObject({ silent: 200, warmUp: 200 });
  });

  it.each(['--quick', '--only heap', '--servers ws', '--profile x'])('takes a run with %s for no whole one', line => {
    expect(accepted(line).isWhole).toBe(false);
  });

  it('knows that help was asked for, whatever else is wrong', () => {
    expect(parse('--rounds 0 --help')).toEqual({ kind: 'help' });
  });

  it.each([
    ['--bogus', /Unknown option '--bogus'.*see --help/],
    ['--connections 99', /--connections is 99 but must be a whole number from 100 to 60000: leave it out for 15000/],
    ['--connections many', /--connections is many but must be a whole number/],
    ['--rounds 0', /--rounds is 0 but must be a whole number from 1 to 100: leave it out for 3/],
    ['--rounds 1.5', /--rounds is 1.5/],
    ['--only heap,speed', /--only is heap,speed but must be some of throughput,accept/],
    ['--servers uws', /--servers is uws but must be some of ws,ws-recipe/],
    ['--connections 19850', /at most 19800 where a process may have 19900 sockets: raise the limit \(ulimit -n\)/],
  ])('refuses %s in words', (line, words) => {
    const parsed = parse(line);
    expect(parsed.kind === 'problems' && parsed.problems.join()).toMatch(words);
  });

  it('lists all problems at once', () => {
    const parsed = parse('--rounds 0 --servers uws');
    expect(parsed.kind === 'problems' && parsed.problems).toHaveLength(2);
  });
});

describe('benchUsage', () => {
  it('names every flag and the numbers that hold without it', () => {
    for (const name of Object.keys(BENCH_FLAGS)) expect(benchUsage()).toContain(`--${name}`);
    expect(benchUsage()).toContain(`[${FULL.connections}; ${QUICK.connections} with --quick]`);
  });
});
