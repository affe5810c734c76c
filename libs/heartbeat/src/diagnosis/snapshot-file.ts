import { open, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';

/** The magic number of tmpfs (statfs(2)). */
const TMPFS = 0x01_02_19_94;
const MAX_NAME = 100;

/** Room on the disk that snapshots are written to. */
export interface DiskRoom {
  readonly freeDiskBytes: number;
  /** The disk is memory itself (tmpfs): a file takes room in both. */
  readonly diskIsMemory: boolean;
}

export async function snapshotRoom(): Promise<DiskRoom> {
  const { bavail, bsize, type } = await statfs(tmpdir());
  return { freeDiskBytes: bavail * bsize, diskIsMemory: type === TMPFS };
}

/** Where a snapshot goes: the system's folder for temporary files (TMPDIR), under the name of the node and the time. */
export function snapshotPath(nodeId: string, at: Date): string {
  // A node may be named anything.
  const node = nodeId.replaceAll(/[^\w.-]/g, '_').slice(-MAX_NAME);
  const time = at.toISOString().replaceAll(/[:.]/g, '-');
  return join(tmpdir(), `heap-${node}-${time}.heapsnapshot`);
}

/**
 * Writes the heap to `path`; answers the file's size. The loop stands still until it is written. The heap holds secrets, so the
 * file is ours alone before anything is in it, and must not exist: in a folder that others may write to, it could be theirs.
 * V8 writes it itself: a stream would hold all of the text in memory at once.
 */
export async function writeSnapshot(path: string): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  await file.close();
  try {
    writeHeapSnapshot(path);
    return (await stat(path)).size;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
