import { describe, expect, it } from '@jest/globals';
import type { HealthIndicatorResult } from '@nestjs/terminus';

import { reportOf } from './health-report.js';

const up: HealthIndicatorResult = { a: { status: 'up', n: 1 } };
const degraded: HealthIndicatorResult = { b: { status: 'degraded' } };
const down: HealthIndicatorResult = { c: { status: 'down' } };

describe('reportOf', () => {
  it.each([
    ['ok', [up]],
    ['degraded', [up, degraded]],
    ['error', [up, degraded, down]],
    ['error', [down]],
  ])('has the status %s', (status, results) => {
    expect(reportOf(results).status).toBe(status);
  });

  it('sorts the indicators as Terminus does: down under error, the rest under info, all under details', () => {
    expect(reportOf([up, degraded, down])).toEqual({
      status: 'error',
      info: { ...up, ...degraded },
      error: down,
      details: { ...up, ...degraded, ...down },
    });
  });
});
