import { readFileSync } from 'node:fs';

/** Reads a file of the operating system, such as one below /proc. Returns null for a file that is missing or cannot be read. */
export type ReadFile = (path: string) => string | null;

/** The real files. The kernel creates them in memory, so reading them does not wait for a disk. */
export const readSystemFile: ReadFile = path => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};
