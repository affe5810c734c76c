import { describe, expect, it } from '@jest/globals';
import type { Finding } from 'nestjs-heartbeat/tooling';

import { doctorReport } from './doctor-report.js';

const finding = (over: Partial<Finding>): Finding => ({
  id: 'a',
  severity: 'ok',
  title: 'Title',
  evidence: 'Evidence.',
  why: 'Why.',
  remedy: 'Remedy.',
  ...over,
});

describe('doctorReport', () => {
  it('begins each finding with its id, and shows reason and remedy of those that are not ok', () => {
    const findings = [finding({ severity: 'error', id: 'longer-id' }), finding({}), finding({ severity: 'warn' })];
    expect(doctorReport(findings)).toBe(`error  longer-id  Title: Evidence.
       why: Why.
       do:  Remedy.
ok     a          Title: Evidence.
warn   a          Title: Evidence.
       why: Why.
       do:  Remedy.

1 error, 1 warn, 0 info, 1 ok
`);
  });

  it('names options by their variables', () => {
    const report = doctorReport([
      finding({
        severity: 'warn',
        evidence: 'limits.maxConnections is 7, admin.tokens is empty',
        why: 'trustedProxies is empty.',
        remedy: 'Raise heartbeat.maxIntervalMs.',
      }),
      finding({ severity: 'warn', remedy: 'Set hosts (HOSTS) to the names of this server.' }),
    ]);
    expect(report).toContain('do:  Set HOSTS to the names of this server.');
    expect(report).toContain('LIMITS_MAX_CONNECTIONS is 7, ADMIN_TOKEN is empty');
    expect(report).toContain('why: TRUSTED_PROXIES is empty.');
    expect(report).toContain('do:  Raise HEARTBEAT_MAX_INTERVAL_MS.');
  });
});
