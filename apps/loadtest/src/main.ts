import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArguments, type LoadOptions } from './arguments.js';
import { planFaults } from './faults.js';
import { socketsPerProcess } from './file-limit.js';
import { usage } from './flags.js';
import { CONTRACT_PROMISE, lastFaultMs, shortRunProblem, type LivenessPromise } from './liveness-bound.js';
import { LoadRun } from './load-run.js';
import { makeOrders, openWithinMs } from './assignments.js';
import { probeServer, type ProbeResult } from './probe.js';
import { Progress } from './progress.js';
import { seededRandom } from './random.js';
import { renderReport } from './report-text.js';
import { makeReport } from './report.js';
import type { ServerTiming } from './server-messages.js';

const BROKEN = 1;
const UNUSABLE = 2;
/** The exit status that a shell reports for a program that Ctrl-C ended. */
const INTERRUPTED = 130;

process.exitCode = await main();

async function main(): Promise<number> {
  const fits = socketsPerProcess(readIfThere('/proc/self/limits'));
  const surroundings = { platform: process.platform, socketsPerProcess: fits, seed: randomInt(2 ** 32) };
  const parsed = parseArguments(process.argv.slice(2), surroundings);
  if (parsed.kind === 'help') {
    process.stdout.write(usage());
    return 0;
  }
  if (parsed.kind === 'problems') return refuse(parsed.problems);
  const { options } = parsed;
  if (options.jsonFile !== null && !canWrite(options.jsonFile)) {
    return refuse([`--json is ${options.jsonFile} but must be a file that can be written: name another`]);
  }

  const probe = await probeServer(options.target);
  const problem = probeProblem(probe, options);
  if (problem !== null || probe.kind === 'unreachable') return refuse([problem ?? '']);
  const timing = probe.kind === 'open' ? probe.timing : null;
  const promise = promiseOf(options, timing);
  const tooShort = options.silent + options.stopped > 0 ? shortRunProblem(options.seconds, promise) : null;
  if (tooShort !== null) return refuse([tooShort]);

  const lastFault = lastFaultMs(options.seconds, promise);
  const plan = planFaults({ ...options, lastFaultMs: lastFault }, seededRandom(options.seed));
  const orders = makeOrders(options, plan, probe.endpoint, fits);
  announce(options, promise, { processes: orders.length, fits, asked: timing !== null });

  const run = new LoadRun(
    {
      orders,
      seconds: options.seconds,
      openWithinMs: openWithinMs(options),
      serverPort: options.target.port,
      faultyPlanned: plan.faults.length,
    },
    new Progress(process.stderr),
  );
  const interruption = interruptible(run);
  const span = await run.complete(interruption);
  const report = makeReport(run.tally, {
    ...span,
    url: options.target.url,
    seed: options.seed,
    connections: options.connections,
    planned: options,
    promise: promiseOf(options, run.tally.timing ?? timing),
    processes: orders.length,
    interrupted: interruption.aborted,
  });
  process.stdout.write(renderReport(report));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  return report.broken.length > 0 ? BROKEN : 0;
}

/** A flag first, then the report of the server, then the defaults. */
function promiseOf(options: LoadOptions, timing: ServerTiming | null): LivenessPromise {
  return {
    intervalMs: options.intervalMs ?? timing?.intervalMs ?? CONTRACT_PROMISE.intervalMs,
    pongTimeoutMs: options.pongTimeoutMs ?? timing?.timeoutMs ?? CONTRACT_PROMISE.pongTimeoutMs,
    missedPongs: options.missedPongs,
  };
}

/** A server that is full or busy is worth a run; one that never lets such a client in is not. */
function probeProblem(probe: ProbeResult, { target }: LoadOptions): string | null {
  if (probe.kind === 'open' || (probe.kind === 'refused' && /^(429|503)\b/.test(probe.reason))) return null;
  if (probe.kind === 'unreachable') {
    return `--url is ${target.url} but must be a WebSocket server that listens (${probe.reason}): start it, or correct the URL`;
  }
  return `--url is ${target.url} but must let an anonymous client in (it answers ${probe.reason}): correct the path or the server`;
}

interface Announcement {
  readonly processes: number;
  readonly fits: number;
  readonly asked: boolean;
}

function announce(options: LoadOptions, promise: LivenessPromise, { processes, fits, asked }: Announcement): void {
  const source = asked ? 'as the server reports' : 'as assumed: it was not asked, or did not respond';
  process.stderr.write(
    `${options.connections} clients (${options.silent} silent, ${options.stopped} stopped, ${options.echoing} echoing) ` +
      `in ${processes} process${processes === 1 ? '' : 'es'}; up to ${fits} sockets fit in each (ulimit -n)\n` +
      `interval ${promise.intervalMs} ms, pong timeout ${promise.pongTimeoutMs} ms ` +
      `(flags first, else ${source}); seed ${options.seed}\n`,
  );
}

/** The first Ctrl-C ends the run with its report, the second at once. */
function interruptible(run: LoadRun): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      run.kill();
      process.exit(INTERRUPTED);
    }
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

function refuse(problems: readonly string[]): number {
  process.stderr.write(`${problems.join('\n')}\n`);
  return UNUSABLE;
}

/** Checked before the run. The content of the file stays until the end of the run. */
function canWrite(file: string): boolean {
  try {
    closeSync(openSync(file, 'a'));
    return true;
  } catch {
    return false;
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
