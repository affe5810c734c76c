import { getHeapStatistics } from 'node:v8';

import { Injectable, Logger } from '@nestjs/common';

import { NodeRequests } from '../messaging/node-requests.js';
import { NodeState } from '../connection/node-state.js';
import { memoryBudget } from '../base/container-memory.js';
import { Handled } from '../base/handled.js';
import { type DiskRoom, snapshotPath, snapshotRoom, writeSnapshot } from './snapshot-file.js';
import { refusalOf, type SnapshotRefusal, type SnapshotSituation } from './snapshot-rules.js';

/** A snapshot that was taken. Answer of `POST heap-snapshot`. */
export interface HeapSnapshot {
  /** Where it is, on this node; readable by the process's user only, for it holds everything that is in memory. */
  readonly file: string;
  readonly bytes: number;
  /** How long the event loop stood still. */
  readonly durationMs: number;
}

/**
 * Writes heap snapshots, for operators and for whoever injects it: the reference server does at SIGUSR2, which the library leaves
 * to the app, since some tools restart by it. The loop stands still meanwhile: about a second for every 10 MB of
 * small objects. Nobody is cut for it, since the heartbeat counts attended time only, but everybody waits.
 */
@Injectable()
export class HeapSnapshotService {
  readonly #logger = new Logger('HeartbeatDiagnosis');
  #busy = false;
  #lastAt: number | null = null;

  constructor(
    private readonly node: NodeState,
    requests: NodeRequests,
  ) {
    requests.answerWith({ 'heap-snapshot': () => this.take() });
  }

  /**
   * Takes a snapshot, unless it would do harm.
   * @throws What the file system throws, such as a disk that is full after all.
   */
  @Handled()
  async take(): Promise<HeapSnapshot | SnapshotRefusal> {
    const { clock, id } = this.node;
    const room = await snapshotRoom();
    const refusal = refusalOf(this.#situation(room));
    if (refusal !== null) return refusal;
    // In the same turn as the decision, so that of two at once one is refused.
    this.#busy = true;
    try {
      const begun = clock.now();
      const file = snapshotPath(id, clock.wallTime(begun));
      this.#logger.warn(`writing a heap snapshot to ${file}: nothing else is done until it is written`);
      const bytes = await writeSnapshot(file);
      const durationMs = Math.round(clock.now() - begun);
      this.#logger.log(`wrote a heap snapshot of ${bytes} bytes to ${file} in ${durationMs} ms`);
      return { file, bytes, durationMs };
    } finally {
      this.#busy = false;
      this.#lastAt = clock.now();
    }
  }

  #situation(room: DiskRoom): SnapshotSituation {
    return {
      now: this.node.clock.now(),
      lastAt: this.#lastAt,
      busy: this.#busy,
      heapUsedBytes: getHeapStatistics().used_heap_size,
      freeMemoryBytes: memoryBudget().freeBytes,
      ...room,
    };
  }
}
