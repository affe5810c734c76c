import { describe, expect, it } from '@jest/globals';

import { graceMsOf } from './grace-checks.js';
import type { SystemReader } from './system-reader.js';

function systemWith(variables: Readonly<Record<string, string>>): SystemReader {
  return {
    file: path => (path === '/etc/systemd/system.conf' ? 'DefaultTimeoutStopSec=infinity\n' : null),
    variable: name => variables[name] || null,
    packageVersion: () => null,
    heapLimitBytes: () => 1,
  };
}

describe('graceMsOf', () => {
  it.each<[string, Readonly<Record<string, string>>, number | null]>([
    ['nothing', {}, null],
    ['a statement', { TERMINATION_GRACE_PERIOD_SECONDS: '2.5' }, 2500],
    ['a statement that is no number', { TERMINATION_GRACE_PERIOD_SECONDS: '30s' }, null],
    ['such a statement below a supervisor', { TERMINATION_GRACE_PERIOD_SECONDS: 'x', pm_id: '0' }, 1600],
    ['a supervisor', { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, 30_000],
    ['a supervisor and a statement', { KUBERNETES_SERVICE_HOST: 'x', TERMINATION_GRACE_PERIOD_SECONDS: '60' }, 60_000],
    ['a supervisor that waits for ever', { INVOCATION_ID: 'x' }, null],
  ])('with %s', (_what, variables, ms) => {
    expect(graceMsOf(systemWith(variables))).toBe(ms);
  });
});
