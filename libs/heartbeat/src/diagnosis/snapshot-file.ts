import { open, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';

/** The magic number of tmpfs (statfs(2)). */
const TMPFS = 0x01_02_19_94;
const MAX_NAME = 100;

/** Free space of the file system that snapshots are written to. */
export interface DiskRoom {
  readonly freeDiskBytes: number;
  /** Whether the file system is in memory (tmpfs), where a file takes space of both. */
  readonly diskIsMemory: boolean;
}

export async function snapshotRoom(): Promise<DiskRoom> {
  const { bavail, bsize, type } = await statfs(tmpdir());
  return { freeDiskBytes: bavail * bsize, diskIsMemory: type === TMPFS };
}

/** The path of a snapshot: the system's folder for temporary files (TMPDIR), with the name of the node and the time. */
export function snapshotPath(nodeId: string, at: Date): string {
  // The name of a node may contain any character.
  const node = nodeId.replaceAll(/[^\w.-]/g, '_').slice(-MAX_NAME);
  const time = at.toISOString().replaceAll(/[:.]/g, '-');
  return join(tmpdir(), `heap-${node}-${time}.heapsnapshot`);
}

/**
 * Writes the heap to `path`, and returns the file's size. The event loop is blocked meanwhile. The heap contains secrets, so the file is
 * created empty and readable by this user only. It must not exist before: in a folder that is shared with other users it could be theirs.
 * V8 writes the file itself, since a stream would hold all of the text in memory at once.
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
