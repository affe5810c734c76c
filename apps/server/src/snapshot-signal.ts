import { type INestApplicationContext, Logger } from '@nestjs/common';
import { HeapSnapshotService } from 'nestjs-heartbeat';

const SIGNAL = 'SIGUSR2';

/** Writes a heap snapshot at SIGUSR2, unless it would do harm; the log has its path, or the reason of the refusal. */
export function takeSnapshotsBySignal(app: INestApplicationContext): void {
  const logger = new Logger('HeapSnapshot');
  const snapshots = app.get(HeapSnapshotService);
  const take = async () => {
    try {
      const outcome = await snapshots.take();
      if ('reason' in outcome) logger.warn(`${SIGNAL}: ${outcome.detail}`);
    } catch (error) {
      logger.error(`${SIGNAL}: the heap snapshot failed: ${String(error)}`);
    }
  };
  process.on(SIGNAL, () => void take());
}
