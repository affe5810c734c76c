import { getHeapStatistics } from 'node:v8';

import { Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';

import { NodeRequests } from '../messaging/node-requests.js';
import { NodeState } from '../node/node-state.js';
import { memoryBudget } from '../base/container-memory.js';
import { Handled } from '../base/handled.js';
import { wireCount, wireText } from '../base/wire-values.js';
import { type DiskRoom, snapshotPath, snapshotRoom, writeSnapshot } from './snapshot-file.js';
import { refusalOf, type SnapshotRefusal, snapshotRefusal, type SnapshotSituation } from './snapshot-rules.js';

/** Time for the snapshot of another node, which does nothing else meanwhile: about a second for every 10 MB. */
const TIMEOUT_MS = 120_000;

export const heapSnapshot = z.object({
  /** Its path on its node. Only the process's user can read it, since it contains the whole memory. */
  file: wireText.meta({ description: "Where it is on the node; readable by the process's user only." }),
  bytes: wireCount.meta({ description: 'Its size.' }),
  /** How long the event loop was blocked. */
  durationMs: wireCount.meta({ description: 'How long the event loop was blocked.' }),
});
/** A snapshot that was taken. The response of `POST heap-snapshot`. */
export interface HeapSnapshot extends Readonly<z.output<typeof heapSnapshot>> {}

export const HEAP_SNAPSHOT = {
  request: z.object({}),
  reply: z.union([heapSnapshot, snapshotRefusal]),
  timeoutMs: TIMEOUT_MS,
};

/**
 * Writes heap snapshots for operators and for code that injects this service. The reference server does so at SIGUSR2; the library leaves
 * the signal to the app, since some tools use it for a restart. A snapshot blocks the event loop for about a second for every 10 MB of
 * small objects. No connection is closed for that, since the heartbeat counts attended time only, but all clients wait.
 */
@Injectable()
export class HeapSnapshotService {
  readonly #logger = new Logger('HeartbeatDiagnosis');
  #busy = false;
  #lastAt: number | null = null;
  readonly #take;

  constructor(
    private readonly node: NodeState,
    requests: NodeRequests,
  ) {
    this.#take = requests.handle('heap-snapshot', HEAP_SNAPSHOT, () => this.take());
  }

  /**
   * Takes a snapshot, unless that could harm the process.
   * @throws Errors of the file system, for instance when the disk is full after all.
   */
  @Handled()
  async take(): Promise<HeapSnapshot | SnapshotRefusal> {
    const { clock, id } = this.node;
    const room = await snapshotRoom();
    const refusal = refusalOf(this.#situation(room));
    if (refusal !== null) return refusal;
    // Set in the same turn as the decision, so that one of two simultaneous calls is refused.
    this.#busy = true;
    try {
      const begun = clock.now();
      const file = snapshotPath(id, clock.wallTime(begun));
      this.#logger.warn(`writing a heap snapshot to ${file}: the event loop is blocked until it is written`);
      const bytes = await writeSnapshot(file);
      const durationMs = Math.round(clock.now() - begun);
      this.#logger.log(`wrote a heap snapshot of ${bytes} bytes to ${file} in ${durationMs} ms`);
      return { file, bytes, durationMs };
    } finally {
      this.#busy = false;
      this.#lastAt = clock.now();
    }
  }

  /**
   * Takes a snapshot on a node.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when it does not respond.
   * @internal
   */
  takeOn(nodeId: string): Promise<HeapSnapshot | SnapshotRefusal> {
    return this.#take.sendToOne(nodeId, {});
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
