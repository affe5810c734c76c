import cluster, { type Worker } from 'node:cluster';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';

import type { LoggerService } from '@nestjs/common';

const CONTEXT = 'Workers';
/** The pause before a worker that died is replaced: whatever kills it at once does so once a second, not all the time. */
const REPLACE_AFTER_MS = 1000;

/** How {@link superviseWorkers} works. */
export interface Supervision {
  /** How many workers. */
  readonly count: number;
  readonly logger: LoggerService;
  /** Ports on which each worker listens; its last one is that of the application. Default: 1. */
  readonly listeners?: number;
  /** Called once, when all listen: with the address of the application, and with that of the other port. */
  listening(bound: readonly [AddressInfo, AddressInfo?]): void;
}

/**
 * Runs the program in worker processes, which share its port, and resolves when all have ended: with the worst exit status.
 * - SIGTERM and SIGINT are sent on, so that all drain; SIGUSR2 too, which makes snapshots.
 * - A worker that dies otherwise is logged and replaced. One that dies before it listens is a start that failed: all end.
 */
export function superviseWorkers({ count, logger, listeners = 1, listening }: Supervision): Promise<number> {
  const serving = new Set<number>();
  let replacing: NodeJS.Timeout[] = [];
  let isAnnounced = false;
  let isEnding = false;
  let worst = 0;

  const end = (signal: NodeJS.Signals): void => {
    isEnding = true;
    replacing.forEach(timer => clearTimeout(timer));
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal));
  process.on('SIGUSR2', () => Object.values(cluster.workers ?? {}).forEach(worker => worker?.process.kill('SIGUSR2')));

  const bound = new Map<number, AddressInfo[]>();
  cluster.on('listening', ({ id }: Worker, { address, port, addressType }) => {
    const own = [{ address, port, family: addressType === 6 ? 'IPv6' : 'IPv4' }, ...(bound.get(id) ?? [])];
    bound.set(id, own);
    if (own.length < listeners) return;
    serving.add(id);
    if (isAnnounced || serving.size < count) return;
    isAnnounced = true;
    listening(own as [AddressInfo, AddressInfo?]);
  });

  for (let i = 0; i < count; i++) cluster.fork();
  return new Promise(resolve => {
    cluster.on('exit', (worker: Worker, code: number | null, signal: NodeJS.Signals | null) => {
      bound.delete(worker.id);
      const hasServed = serving.delete(worker.id);
      const status = statusOf(code, signal);
      const who = `worker ${worker.id} (pid ${worker.process.pid})`;
      const why = signal === null ? `exit status ${code}` : `killed by ${signal}`;
      if (!hasServed && !isEnding) {
        logger.error(`${who} could not start: ${why}; the others are ended`, CONTEXT);
        worst = Math.max(status, 1);
        end('SIGTERM');
      } else if (!isEnding) {
        logger.error(`${who} died: ${why}; its connections are gone, another one is started`, CONTEXT);
        replacing = [...replacing, setTimeout(() => cluster.fork(), REPLACE_AFTER_MS)];
      } else if (hasServed && status > 0) {
        logger.warn?.(`${who} ended: ${why}`, CONTEXT);
        worst = Math.max(worst, status);
      }
      if (isEnding && Object.keys(cluster.workers ?? {}).length === 0) resolve(worst);
    });
  });
}

/** As a shell has it: 128 and the number of the signal. */
function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 0) : 128 + constants.signals[signal];
}
