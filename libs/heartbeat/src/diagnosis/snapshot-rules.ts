import { z } from 'zod';

import { wireText } from '../base/wire-values.js';
import type { DiskRoom } from './snapshot-file.js';

/**
 * Memory that V8 needs to write a heap, in multiples of the heap. Measured: 2 for a heap of long texts, and up to 14 for many small
 * objects, as on a server. A refusal is better than a process that the kernel kills with all of its connections.
 */
const MEMORY_FACTOR = 15;
/** Size of the file in multiples of the heap. Measured: up to 2. */
const FILE_FACTOR = 3;
/** Minimum time between two snapshots, since each blocks all clients for seconds. */
const COOLDOWN_MS = 60_000;

/** The facts that decide about a snapshot. Times are monotonic milliseconds. */
export interface SnapshotSituation extends DiskRoom {
  readonly now: number;
  /** The end of the last snapshot; null without one. */
  readonly lastAt: number | null;
  /** Whether a snapshot is being written. */
  readonly busy: boolean;
  readonly heapUsedBytes: number;
  readonly freeMemoryBytes: number;
}

export const snapshotRefusal = z.object({
  reason: z.enum(['busy', 'too-soon', 'memory', 'disk']),
  detail: wireText,
  /** The time after which a retry makes sense. */
  retryAfterSeconds: z.number(),
});
/** The reason why no snapshot is taken. */
export interface SnapshotRefusal extends Readonly<z.output<typeof snapshotRefusal>> {}

/** Returns null when a snapshot may be taken. */
export function refusalOf(situation: SnapshotSituation): SnapshotRefusal | null {
  const { now, lastAt, busy, heapUsedBytes, freeMemoryBytes, freeDiskBytes, diskIsMemory } = situation;
  const retryAfterSeconds = Math.ceil(COOLDOWN_MS / 1000);
  if (busy) return { reason: 'busy', detail: 'A heap snapshot is being written: wait for it.', retryAfterSeconds };
  if (lastAt !== null && now - lastAt < COOLDOWN_MS) {
    const seconds = Math.ceil((lastAt + COOLDOWN_MS - now) / 1000);
    const detail = `A heap snapshot was taken within the last minute: try again in ${seconds} s.`;
    return { reason: 'too-soon', detail, retryAfterSeconds: seconds };
  }
  const fileBytes = FILE_FACTOR * heapUsedBytes;
  const memoryBytes = MEMORY_FACTOR * heapUsedBytes + (diskIsMemory ? fileBytes : 0);
  const heap = `the heap holds ${megabytes(heapUsedBytes)} MiB`;
  if (freeMemoryBytes < memoryBytes) {
    const detail =
      `A heap snapshot could end the process: ${heap}, writing it down may take ${megabytes(memoryBytes)} MiB of memory, and ` +
      `${megabytes(freeMemoryBytes)} MiB are free. Give the process more memory, or take it on a node with fewer connections.`;
    return { reason: 'memory', detail, retryAfterSeconds };
  }
  if (freeDiskBytes < fileBytes) {
    const detail =
      `A heap snapshot could fill the disk: ${heap}, its file may take ${megabytes(fileBytes)} MiB, and ` +
      `${megabytes(freeDiskBytes)} MiB are free. Set TMPDIR to a folder with more room.`;
    return { reason: 'disk', detail, retryAfterSeconds };
  }
  return null;
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
