import type { DiskRoom } from './snapshot-file.js';

/**
 * What V8 needs beside the heap to write it down, in sizes of the heap: measured, 2 for a heap of long texts and up to 14 for one of
 * many small objects, which that of a server is. Better refused than killed by the kernel with everybody connected.
 */
const MEMORY_FACTOR = 15;
/** The file's size in sizes of the heap: measured, up to 2. */
const FILE_FACTOR = 3;
/** A snapshot stands in everybody's way for seconds: no more than one in this time. */
const COOLDOWN_MS = 60_000;

/** What a snapshot is decided by; times are monotonic milliseconds. */
export interface SnapshotSituation extends DiskRoom {
  readonly now: number;
  /** When the last one ended; null when none was taken. */
  readonly lastAt: number | null;
  /** Whether one is being taken. */
  readonly busy: boolean;
  readonly heapUsedBytes: number;
  readonly freeMemoryBytes: number;
}

/** Why no snapshot is taken now. */
export interface SnapshotRefusal {
  readonly reason: 'busy' | 'too-soon' | 'memory' | 'disk';
  readonly detail: string;
  /** When it makes sense to ask again. */
  readonly retryAfterSeconds: number;
}

/** Null when a snapshot may be taken. */
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
