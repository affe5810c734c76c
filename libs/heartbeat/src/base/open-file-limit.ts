import { readdirSync } from 'node:fs';

import { readSystemFile, type ReadFile } from './system-file.js';

const LIMITS = '/proc/self/limits';
const OPEN_FILES = '/proc/self/fd';
/** Files that stay free for other uses than clients: databases, logs, probes. */
const MIN_RESERVE = 32;
const MAX_RESERVE = 256;
const RESERVED_PART = 1 / 8;

/** The number of files that this process may open; Infinity without a limit. Returns null where that cannot be read. */
export function openFileLimit(read: ReadFile = readSystemFile): number | null {
  const word = /^Max open files\s+(\d+|unlimited)/m.exec(read(LIMITS) ?? '')?.[1];
  if (word === undefined) return null;
  return word === 'unlimited' ? Infinity : Number(word);
}

/** The number of sockets that may be open at once and leave files for other uses. `used` files of the limit are open already. */
export function socketRoom(limit: number, used: number): number {
  const reserve = Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, Math.round(limit * RESERVED_PART)));
  return Math.max(1, limit - used - reserve);
}

/** The same for this process in its current state; Infinity where its limit is unknown. */
export function ownSocketRoom(): number {
  const limit = openFileLimit();
  if (limit === null || limit === Infinity) return Infinity;
  try {
    return socketRoom(limit, readdirSync(OPEN_FILES).length);
  } catch {
    return socketRoom(limit, 0);
  }
}
