import { readFileSync } from 'node:fs';

/** Reads a file of the operating system, such as one below /proc; null when there is none or it may not be read. */
export type ReadFile = (path: string) => string | null;

/** The real files. They are made by the kernel in memory, so reading them does not wait for a disk. */
export const readSystemFile: ReadFile = path => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};
