import { createRequire } from 'node:module';
import { getHeapStatistics } from 'node:v8';

import { readSystemFile, type ReadFile } from '../base/system-file.js';

/** The doctor's access to the system. No method throws: a value that cannot be read is null. */
export interface SystemReader {
  readonly file: ReadFile;
  /** An environment variable; null when it is not set or empty. */
  variable(name: string): string | null;
  /** The installed version of a package that this library uses. */
  packageVersion(name: string): string | null;
  /** The limit to which the V8 heap may grow. */
  heapLimitBytes(): number;
}

/** This process and this machine. */
export const thisSystem: SystemReader = {
  file: readSystemFile,
  variable: name => process.env[name] || null,
  packageVersion(name) {
    try {
      const manifest: unknown = createRequire(import.meta.url)(`${name}/package.json`);
      return (manifest as { version?: string }).version ?? null;
    } catch {
      return null;
    }
  },
  heapLimitBytes: () => getHeapStatistics().heap_size_limit,
};

/** The numbers in a file that holds only whole numbers; null when it cannot be read or holds anything else. */
export function numbersIn(read: ReadFile, path: string): number[] | null {
  const words = read(path)?.trim().split(/\s+/) ?? [];
  return words.length > 0 && words.every(word => /^\d+$/.test(word)) ? words.map(Number) : null;
}

/** The first number in a file. */
export function numberIn(read: ReadFile, path: string): number | null {
  return numbersIn(read, path)?.[0] ?? null;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

export function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`;
}
