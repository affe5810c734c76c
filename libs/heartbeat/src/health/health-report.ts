import type { HealthCheckResult, HealthIndicatorResult } from '@nestjs/terminus';

/** The body of a health response in Terminus' shape. The status is `error` if any indicator is `down`. */
export function reportOf(results: readonly HealthIndicatorResult[]): Required<HealthCheckResult> {
  const details = Object.assign({}, ...results) as HealthIndicatorResult;
  const entries = Object.entries(details);
  const error = Object.fromEntries(entries.filter(([, { status }]) => status === 'down'));
  const info = Object.fromEntries(entries.filter(([, { status }]) => status !== 'down'));
  const isDegraded = entries.some(([, { status }]) => status === 'degraded');
  const status = Object.keys(error).length > 0 ? 'error' : isDegraded ? 'degraded' : 'ok';
  return { status, info, error, details };
}
