import { describe, expect, it } from '@jest/globals';
import { CONTRACT_PROMISE } from './liveness-bound.js';
import { renderReport } from './report-text.js';
import { makeReport, type Report, type RunFacts } from './report.js';
import { Tally } from './tally.js';

const FACTS: RunFacts = {
  url: 'ws://127.0.0.1:3000/ws',
  seed: 5,
  connections: 100,
  planned: { silent: 3, stopped: 1 },
  promise: CONTRACT_PROMISE,
  processes: 1,
  crashed: 0,
  interrupted: false,
  begunAt: 1000,
  finishedAt: 61_400,
};

/** Times after the last byte, of clients that turned faulty at 5 s; `null` was never ended. */
function tallyOf({ silent = [], stopped = [] }: Partial<Record<'silent' | 'stopped', (number | null)[]>>): Tally {
  const tally = new Tally();
  tally.openingSince = 1000;
  tally.lastOpenedAt = 1500;
  tally.opened = 100;
  const end = { address: '127.0.0.2', port: 1 };
  for (const [kind, times] of [
    ['silent', silent],
    ['stopped', stopped],
  ] as const) {
    for (const time of times) {
      const index = tally.faulty.size;
      tally.faulty.set(index, { index, kind, lastSentAt: 5000, end });
      const earlier = kind === 'stopped' ? 250 : 0;
      if (time !== null) tally.recordEnd({ index, earliestAt: 5000 + time - earlier, at: 5000 + time });
    }
  }
  return tally;
}

function report(tally: Tally, facts: Partial<RunFacts> = {}): Report {
  return makeReport(tally, { ...FACTS, ...facts });
}

describe('makeReport', () => {
  const whole = tallyOf({ silent: [30_000, 20_000, 45_000], stopped: [40_000] });

  it('measures each kind of faulty client after its last byte', () => {
    expect(report(whole).faulty).toEqual({
      silent: {
        planned: 3,
        turned: 3,
        found: 3,
        late: 0,
        missed: 0,
        undecided: 0,
        drained: 0,
        minMs: 20_000,
        medianMs: 30_000,
        p99Ms: 45_000,
        maxMs: 45_000,
      },
      stopped: {
        planned: 1,
        turned: 1,
        found: 1,
        late: 0,
        missed: 0,
        undecided: 0,
        drained: 0,
        minMs: 40_000,
        medianMs: 40_000,
        p99Ms: 40_000,
        maxMs: 40_000,
      },
    });
    expect(report(whole)).toMatchObject({ precisionMs: 250, promise: { boundMs: 46_000 }, broken: [] });
  });

  it('counts an opened client without a fault as healthy', () => {
    expect(report(whole).healthy).toEqual({ count: 96, lost: 0, lostByCode: {}, drained: 0 });
  });

  it('measures the opening from the first process that was ready', () => {
    expect(report(whole).opened).toEqual({ wanted: 100, count: 100, seconds: 0.5, perSecond: 200 });
  });

  it('breaks the promise by a lost healthy client', () => {
    const tally = tallyOf({});
    tally.countLost('1006', 2);
    tally.countLost('4000');
    expect(report(tally)).toMatchObject({
      healthy: { lost: 3, lostByCode: { 1006: 2, 4000: 1 } },
      broken: ['3 healthy clients were lost'],
    });
  });

  it('breaks the promise by a faulty client that was found late or never', () => {
    const late = report(tallyOf({ silent: [46_100, null] }));
    expect(late.faulty.silent).toMatchObject({ late: 1, missed: 1 });
    expect(late.broken).toEqual(['2 faulty clients were not found within 46000 ms']);
  });

  it('breaks nothing by a drain, nor by an end of the run before the bound', () => {
    const tally = tallyOf({ silent: [20_000, null] });
    tally.countDrained(24_000);
    const drained = report(tally, { finishedAt: 40_000 });
    expect(drained).toMatchObject({ healthy: { lost: 0, drained: 1 }, broken: [] });
    expect(drained.faulty.silent).toMatchObject({ drained: 1, undecided: 1, maxMs: null });
  });

  it('proves nothing when nothing was opened or a process of its own died', () => {
    expect(report(new Tally(), { crashed: 1 }).broken).toEqual([
      'no connection was opened, so nothing was shown',
      '1 load process of this tool ended early, its faulty clients are not judged',
    ]);
  });

  it('is the same as JSON', () => {
    expect(JSON.parse(JSON.stringify(report(whole)))).toEqual(report(whole));
  });
});

describe('renderReport', () => {
  it('is a list of lines', () => {
    const tally = tallyOf({ silent: [20_000, 30_000, 47_000], stopped: [40_000] });
    tally.countRefused('503 at-capacity', 12);
    tally.countLost('1006', 2);
    tally.absences.push({ from: 55_000, to: 57_000 });
    tally.echoesSent = 2;
    tally.echoes.record(5);
    expect(renderReport(report(tally))).toBe(
      [
        'Load on ws://127.0.0.1:3000/ws (seed 5, processes 1)',
        '  opened           100 of 100 in 0.5 s (200 a second)',
        '  refused          12: 503 at-capacity x 12',
        '  bound            46,000 ms = interval 25,000 + 2 x pong timeout 10,000 + 1,000, after the last byte',
        '  found, silent    2 of 3; min 20,000 ms, median 30,000 ms, p99 47,000 ms, max 47,000 ms',
        '  found, stopped   1 of 1; min 40,000 ms, median 40,000 ms, p99 40,000 ms, max 40,000 ms, known to 250 ms',
        '  not found        1 (1 of them ended after the bound)',
        '  healthy lost     2: code 1006 x 2 (of 96)',
        '  healthy drained  0',
        '  echo             p50 5 ms, p99 5 ms, max 5 ms; 1 of 2 answered',
        '  server absent    2,000 ms in 1, not counted against it',
        '  this tool late   0 ms at worst',
        '  total            60.4 s',
        'BROKEN: 2 healthy clients were lost; 1 faulty client was not found within 46000 ms.',
        '',
      ].join('\n'),
    );
  });

  it('does not claim that all held when it could not see all', () => {
    const text = renderReport(report(tallyOf({ silent: [null] }), { finishedAt: 20_000, interrupted: true }));
    expect(text).toContain('0 (1 more undecided, the run ended before their bound)');
    expect(text).toContain('No promise was broken as far as this run could see.');
    expect(renderReport(report(tallyOf({ silent: [20_000] })))).toContain('Every promise held.');
  });

  it('doubts itself when it was late', () => {
    const tally = tallyOf({});
    tally.recordLateness(1500);
    expect(renderReport(report(tally))).toContain('1,500 ms at worst: delays and absences above may be its own');
  });
});
