import type { HealthCheckResult, HealthIndicatorResult } from '@nestjs/terminus';

/** What the indicators say, as the body of a health answer: Terminus' own shape, with `down` anywhere making it an `error`. */
export function reportOf(results: readonly HealthIndicatorResult[]): Required<HealthCheckResult> {
  const details = Object.assign({}, ...results) as HealthIndicatorResult;
  const entries = Object.entries(details);
  const error = Object.fromEntries(entries.filter(([, { status }]) => status === 'down'));
  const info = Object.fromEntries(entries.filter(([, { status }]) => status !== 'down'));
  const isDegraded = entries.some(([, { status }]) => status === 'degraded');
  const status = Object.keys(error).length > 0 ? 'error' : isDegraded ? 'degraded' : 'ok';
  return { status, info, error, details };
}
