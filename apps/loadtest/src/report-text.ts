import type { FaultyReport, Report } from './report.js';

/** The report for people: one fact a line, its figures in columns. */
export function renderReport(report: Report): string {
  const { opened, promise, faulty, healthy, echo, absent } = report;
  const rows: [name: string, value: string][] = [
    [
      'opened',
      `${whole(opened.count)} of ${whole(opened.wanted)} in ${opened.seconds} s (${whole(opened.perSecond)} a second)`,
    ],
    ['refused', counts(report.refused)],
    [
      'bound',
      `${whole(promise.boundMs)} ms = interval ${whole(promise.intervalMs)} + ` +
        `${promise.missedPongs} x pong timeout ${whole(promise.pongTimeoutMs)} + 1,000, after the last byte`,
    ],
    ['found, silent', renderFaulty(faulty.silent)],
    ['found, stopped', `${renderFaulty(faulty.stopped)}${precision(report)}`],
    ['not found', whole(notFound(faulty.silent) + notFound(faulty.stopped)) + undecided(report)],
    ['healthy lost', `${counts(healthy.lostByCode, 'code ')} (of ${whole(healthy.count)})`],
    ['healthy drained', whole(healthy.drained)],
    [
      'echo',
      `p50 ${milliseconds(echo.p50Ms)}, p99 ${milliseconds(echo.p99Ms)}, max ${milliseconds(echo.maxMs)}; ` +
        `${whole(echo.answered)} of ${whole(echo.sent)} answered`,
    ],
    [
      'server absent',
      absent.times === 0 ? 'never' : `${whole(absent.totalMs)} ms in ${absent.times}, not counted against it`,
    ],
    ['this tool late', `${milliseconds(report.toolLateMs)} at worst${selfDoubt(report)}`],
    ['total', `${report.totalSeconds} s${report.interrupted ? ', interrupted' : ''}`],
  ];
  return [
    `Load on ${report.url} (seed ${report.seed}, processes ${report.processes})`,
    ...rows.map(([name, value]) => `  ${name.padEnd(17)}${value}`),
    verdict(report),
    '',
  ].join('\n');
}

function verdict({ broken, faulty, interrupted }: Report): string {
  if (broken.length > 0) return `BROKEN: ${broken.join('; ')}.`;
  const whollyJudged = !interrupted && faulty.silent.undecided + faulty.stopped.undecided === 0;
  return whollyJudged ? 'Every promise held.' : 'No promise was broken as far as this run could see.';
}

function renderFaulty(faulty: FaultyReport): string {
  if (faulty.planned === 0) return 'none planned';
  const drained = faulty.drained === 0 ? '' : `, ${whole(faulty.drained)} ended by the drain`;
  const refused = faulty.turned === faulty.planned ? '' : ` (${whole(faulty.planned)} planned)`;
  const times = [faulty.minMs, faulty.medianMs, faulty.p99Ms, faulty.maxMs].map(milliseconds);
  return (
    `${whole(faulty.found)} of ${whole(faulty.turned)}${refused}${drained}; ` +
    `min ${times[0]}, median ${times[1]}, p99 ${times[2]}, max ${times[3]}`
  );
}

function notFound({ late, missed }: FaultyReport): number {
  return late + missed;
}

function undecided({ faulty: { silent, stopped } }: Report): string {
  const late = silent.late + stopped.late;
  const parts = [
    late === 0 ? '' : `${whole(late)} of them ended after the bound`,
    silent.undecided + stopped.undecided === 0
      ? ''
      : `${whole(silent.undecided + stopped.undecided)} more undecided, the run ended before their bound`,
  ].filter(Boolean);
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

function precision({ faulty, precisionMs }: Report): string {
  return faulty.stopped.maxMs === null ? '' : `, known to ${milliseconds(precisionMs)}`;
}

/** A tool that is late itself cannot tell its own delays from the server's. */
function selfDoubt({ toolLateMs }: Report): string {
  return toolLateMs > 1000 ? ': delays and absences above may be its own' : '';
}

function counts(byKey: Readonly<Record<string, number>>, prefix = ''): string {
  const entries = Object.entries(byKey).toSorted(([, left], [, right]) => right - left);
  const total = entries.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return '0';
  return `${whole(total)}: ${entries.map(([key, count]) => `${prefix}${key} x ${whole(count)}`).join(', ')}`;
}

function milliseconds(value: number | null): string {
  return value === null ? '-' : `${value < 100 ? value : whole(value)} ms`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
