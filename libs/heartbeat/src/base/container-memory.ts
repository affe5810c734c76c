import { freemem, totalmem } from 'node:os';

import { readSystemFile, type ReadFile } from './system-file.js';

/** The memory that this process may use, and the source of that limit. */
export interface MemoryBudget {
  readonly limitBytes: number;
  /** The unused part of the limit. Page cache counts as unused, since the kernel reclaims it first. */
  readonly freeBytes: number;
  readonly limitedBy: 'container' | 'machine';
}

interface Group {
  readonly limit: number;
  readonly free: number;
}

const ROOT = '/sys/fs/cgroup';

/** The tightest of the machine's memory and the limits of this process' control groups (cgroups(7), both versions). */
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
 * The highest share of its limit that one of these control groups uses, from 0 to 1; 0 without a limit. Each group is compared with its own
 * limit. The machine's memory is not considered: its use by other processes is no reason to disconnect clients.
 */
export function containerUse(read: ReadFile = readSystemFile): number {
  const groups = groupsWithin(machineMemory(read), read);
  return Math.min(1, Math.max(0, ...groups.map(({ limit, free }) => 1 - free / limit)));
}

/** The control groups with a tighter limit than the machine. */
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

/** Version 2: a limit applies to a group and all groups below it, so each ancestor counts. */
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

/** Version 1: `memory.stat` contains the limit that results from all ancestors. In a container its own group is mounted as the root. */
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

/** The number in a file; null for `max` and for a missing file. */
function numberIn(read: ReadFile, path: string): number | null {
  const text = read(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** The number in a line `name number` of a table; 0 without such a line. */
function numberOf(name: string, table: string | null): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(table ?? '')?.[1] ?? 0);
}
