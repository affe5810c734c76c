import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { socketsPerProcess } from '../../loadtest/src/file-limit.js';
import { type BenchArguments, benchUsage, parseBenchArguments } from './bench-arguments.js';
import { runBench } from './bench-run.js';
import type { Readings } from './readings.js';
import { killRemotes } from './remote.js';
import { writeResults } from './results.js';
import { renderTable } from './table.js';

const BROKEN = 1;
const UNUSABLE = 2;
/** The exit status that a shell reports for a program that Ctrl-C ended. */
const INTERRUPTED = 130;
/** Seen from where this file is built to. */
const PUBLISHED = fileURLToPath(new URL('../../../../docs/performance', import.meta.url));

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    killRemotes();
    process.exit(INTERRUPTED);
  });
}
process.exitCode = await main();

async function main(): Promise<number> {
  const fits = socketsPerProcess(readIfThere('/proc/self/limits'));
  const parsed = parseBenchArguments(process.argv.slice(2), fits);
  if (parsed.kind === 'help') {
    process.stdout.write(benchUsage());
    return 0;
  }
  if (parsed.kind === 'problems') {
    process.stderr.write(`${parsed.problems.join('\n')}\n`);
    return UNUSABLE;
  }
  const given = parsed.arguments;
  const startedAt = performance.now();
  const say = (what: string): void => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    process.stderr.write(`${String(seconds).padStart(5)} s  ${what}\n`);
  };
  try {
    if (given.profileFolder !== null) mkdirSync(given.profileFolder, { recursive: true });
    const folder = outFolderOf(given);
    const roundEnded = (soFar: Readings): void => writeResults(folder, soFar, given.plan);
    const { readings, failures } = await runBench({ ...given, socketsPerProcess: fits }, { say, roundEnded });
    process.stdout.write(renderTable(readings));
    say(`JSON and plots are in ${relative(process.cwd(), folder) || '.'}`);
    if (failures.length > 0) process.stderr.write(`not measured:\n${failures.join('\n')}\n`);
    return failures.length > 0 ? BROKEN : 0;
  } catch (error) {
    killRemotes();
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return BROKEN;
  }
}

/** A run that does not show everything does not take the place of one that did. */
function outFolderOf({ outFolder, isWhole }: BenchArguments): string {
  return outFolder ?? (isWhole ? PUBLISHED : mkdtempSync(join(tmpdir(), 'bench-')));
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
