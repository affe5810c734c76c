const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The units, and the duration from which each is used. */
const UNITS = [
  { from: 2 * DAY, ms: DAY, name: 'days' },
  { from: 2 * HOUR, ms: HOUR, name: 'h' },
  { from: 3 * MINUTE, ms: MINUTE, name: 'min' },
  { from: SECOND, ms: SECOND, name: 's' },
] as const;

/** A duration in a sentence, with at most one decimal: `350 ms`, `9.8 s`, `12.5 min`. */
export function durationText(ms: number): string {
  const unit = UNITS.find(({ from }) => ms >= from);
  return unit === undefined ? `${Math.round(ms)} ms` : `${Math.round((ms / unit.ms) * 10) / 10} ${unit.name}`;
}
