import { readdirSync } from 'node:fs';

import { readSystemFile, type ReadFile } from './system-file.js';

const LIMITS = '/proc/self/limits';
const OPEN_FILES = '/proc/self/fd';
/** Files that are kept free for what is no client: databases, logs, probes. */
const MIN_RESERVE = 32;
const MAX_RESERVE = 256;
const RESERVED_PART = 1 / 8;

/** How many files this process may have open; Infinity without a limit, null where that cannot be read. */
export function openFileLimit(read: ReadFile = readSystemFile): number | null {
  const word = /^Max open files\s+(\d+|unlimited)/m.exec(read(LIMITS) ?? '')?.[1];
  if (word === undefined) return null;
  return word === 'unlimited' ? Infinity : Number(word);
}

/** How many sockets may be open at once so that files are left for everything else; `used` of the limit are open already. */
export function socketRoom(limit: number, used: number): number {
  const reserve = Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, Math.round(limit * RESERVED_PART)));
  return Math.max(1, limit - used - reserve);
}

/** The same for this process as it is now; Infinity where its limit is not known. */
export function ownSocketRoom(): number {
  const limit = openFileLimit();
  if (limit === null || limit === Infinity) return Infinity;
  try {
    return socketRoom(limit, readdirSync(OPEN_FILES).length);
  } catch {
    return socketRoom(limit, 0);
  }
}
