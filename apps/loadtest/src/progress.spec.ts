import { describe, expect, it } from '@jest/globals';
import { Progress, progressLine, type ProgressView } from './progress.js';

const VIEW: ProgressView = {
  elapsedMs: 12_300,
  open: 1990,
  opening: 0,
  refused: 3,
  faultyFound: 4,
  faultyPlanned: 240,
  healthyLost: 0,
  echoP50Ms: 0.51,
  echoP99Ms: null,
};
const LINE = '12 s | open 1990 opening 0 refused 3 | found 4/240 lost 0 | echo p50 0.5 p99 - ms';

function written(isTTY: boolean, moments: readonly number[], columns = 200): string[] {
  const texts: string[] = [];
  const progress = new Progress({ isTTY, columns, write: text => texts.push(text) });
  for (const now of moments) progress.tick(now, () => VIEW);
  progress.finish();
  return texts;
}

describe('progressLine', () => {
  it('is one line', () => {
    expect(progressLine(VIEW)).toBe(LINE);
  });
});

describe('Progress', () => {
  it('writes over one line each second on a terminal, and clears it', () => {
    expect(written(true, [0, 500, 1000, 1500, 2000])).toEqual([`\r\u001b[K${LINE}`, `\r\u001b[K${LINE}`, '\r\u001b[K']);
  });

  it('never wraps', () => {
    expect(written(true, [0, 1000], 20)[0]).toBe(`\r\u001b[K${LINE.slice(0, 19)}`);
  });

  it('writes plain lines every five seconds elsewhere', () => {
    expect(written(false, [0, 1000, 4999, 5000, 9999, 10_000])).toEqual([`${LINE}\n`, `${LINE}\n`]);
  });
});
