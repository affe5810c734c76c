import { freemem, totalmem } from 'node:os';

import { readSystemFile, type ReadFile } from './system-file.js';

/** What memory this process may use, and who says so. */
export interface MemoryBudget {
  readonly limitBytes: number;
  /** What is left of it. Page cache counts as left, since the kernel gives it up first. */
  readonly freeBytes: number;
  readonly limitedBy: 'container' | 'machine';
}

interface Group {
  readonly limit: number;
  readonly free: number;
}

const ROOT = '/sys/fs/cgroup';

/** The tightest of the machine's memory and the limits of the control groups that this process is in (cgroups(7), both versions). */
export function memoryBudget(read: ReadFile = readSystemFile): MemoryBudget {
  const machine = machineMemory(read);
  const groups = groupsWithin(machine, read);
  return {
    limitBytes: Math.min(machine.limit, ...groups.map(({ limit }) => limit)),
    freeBytes: Math.max(0, Math.min(machine.free, ...groups.map(({ free }) => free))),
    limitedBy: groups.length > 0 ? 'container' : 'machine',
  };
}

/**
 * How much of its limit the fullest of those control groups uses, 0 to 1; 0 where none limits. Each against its own limit, and the
 * machine not at all: what other processes use of it is no reason to send clients away.
 */
export function containerUse(read: ReadFile = readSystemFile): number {
  const groups = groupsWithin(machineMemory(read), read);
  return Math.min(1, Math.max(0, ...groups.map(({ limit, free }) => 1 - free / limit)));
}

/** The control groups that limit more tightly than the machine does. */
function groupsWithin(machine: Group, read: ReadFile): Group[] {
  return [...unifiedGroups(read), ...legacyGroups(read)].filter(({ limit }) => limit < machine.limit);
}

function machineMemory(read: ReadFile): Group {
  const table = read('/proc/meminfo') ?? '';
  const kilobytes = (name: string) => new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(table)?.[1];
  const total = kilobytes('MemTotal');
  const available = kilobytes('MemAvailable');
  return {
    limit: total === undefined ? totalmem() : Number(total) * 1024,
    free: available === undefined ? freemem() : Number(available) * 1024,
  };
}

/** Version 2: a limit holds for a group and all below it, so each group on the way up counts. */
function unifiedGroups(read: ReadFile): Group[] {
  const path = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1];
  if (path === undefined) return [];
  const names = path.split('/').filter(Boolean);
  return Array.from({ length: names.length + 1 }, (_, depth) => [ROOT, ...names.slice(0, depth)].join('/')).flatMap(
    folder => {
      const limit = numberIn(read, `${folder}/memory.max`);
      const used = numberIn(read, `${folder}/memory.current`);
      const cache = numberOf('inactive_file', read(`${folder}/memory.stat`));
      return limit === null || used === null ? [] : [{ limit, free: limit - used + cache }];
    },
  );
}

/** Version 1: `memory.stat` tells the limit that holds after all groups above. In a container the own group is mounted as the root. */
function legacyGroups(read: ReadFile): Group[] {
  const path = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1];
  if (path === undefined) return [];
  const folders = [`${ROOT}/memory${path === '/' ? '' : path}`, `${ROOT}/memory`];
  const folder = folders.find(candidate => read(`${candidate}/memory.limit_in_bytes`) !== null);
  if (folder === undefined) return [];
  const stat = read(`${folder}/memory.stat`);
  const own = numberIn(read, `${folder}/memory.limit_in_bytes`) ?? Infinity;
  const limit = Math.min(own, numberOf('hierarchical_memory_limit', stat) || Infinity);
  const used = numberIn(read, `${folder}/memory.usage_in_bytes`) ?? 0;
  return [{ limit, free: limit - used + numberOf('total_inactive_file', stat) }];
}

/** A file that holds one number; null for `max` and for what is not there. */
function numberIn(read: ReadFile, path: string): number | null {
  const text = read(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** A line `name number` of a table; 0 where there is none. */
function numberOf(name: string, table: string | null): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(table ?? '')?.[1] ?? 0);
}
