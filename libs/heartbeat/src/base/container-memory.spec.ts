import { describe, expect, it } from '@jest/globals';

import { containerUse, memoryBudget } from './container-memory.js';

const MIB = 1024 * 1024;
const MEMINFO = `MemTotal:        8388608 kB\nMemFree:          102400 kB\nMemAvailable:    4194304 kB\n`;
const UNLIMITED_V1 = '9223372036854771712\n';

/** The contents of the files; any other file is missing. */
const reading = (files: Record<string, string>) => (path: string) => files[path] ?? null;

describe('memoryBudget', () => {
  it('is the machine’s where no group limits it', () => {
    expect(memoryBudget(reading({ '/proc/meminfo': MEMINFO }))).toEqual({
      limitBytes: 8192 * MIB,
      freeBytes: 4096 * MIB,
      limitedBy: 'machine',
    });
  });

  it('is the container’s with cgroup version 2, page cache not counted as used', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': `${512 * MIB}\n`,
      '/sys/fs/cgroup/memory.current': `${500 * MIB}\n`,
      '/sys/fs/cgroup/memory.stat': `anon 1\ninactive_file ${300 * MIB}\nactive_file 5\n`,
    };
    expect(memoryBudget(reading(files))).toEqual({
      limitBytes: 512 * MIB,
      freeBytes: 312 * MIB,
      limitedBy: 'container',
    });
  });

  it('is the tightest of all ancestor groups', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/memory.max': `${256 * MIB}\n`,
      '/sys/fs/cgroup/a/memory.current': `${56 * MIB}\n`,
      '/sys/fs/cgroup/a/b/memory.max': 'max\n',
      '/sys/fs/cgroup/a/b/memory.current': `${50 * MIB}\n`,
    };
    expect(memoryBudget(reading(files))).toMatchObject({ limitBytes: 256 * MIB, freeBytes: 200 * MIB });
  });

  it('is the container’s with cgroup version 1, whose path is not visible inside', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${1024 * MIB}\n`,
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${600 * MIB}\n`,
      '/sys/fs/cgroup/memory/memory.stat': `cache 1\nhierarchical_memory_limit ${512 * MIB}\ntotal_inactive_file ${200 * MIB}\n`,
    };
    expect(memoryBudget(reading(files))).toEqual({
      limitBytes: 512 * MIB,
      freeBytes: 112 * MIB,
      limitedBy: 'container',
    });
  });

  it('is the machine’s where the group of version 1 has no limit', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '4:memory:/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': UNLIMITED_V1,
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1\n',
    };
    expect(memoryBudget(reading(files))).toMatchObject({ limitBytes: 8192 * MIB, limitedBy: 'machine' });
  });

  it('is 0, and not negative, in a group that is over its limit', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': '1000\n',
      '/sys/fs/cgroup/memory.current': '1200\n',
    };
    expect(memoryBudget(reading(files)).freeBytes).toBe(0);
  });

  it('falls back to Node where the system has no such files', () => {
    const { limitBytes, freeBytes } = memoryBudget(() => null);
    expect(limitBytes).toBeGreaterThan(freeBytes);
    expect(freeBytes).toBeGreaterThan(0);
  });
});

/** Files of a control group of version 2 with a limit and a use in MiB. */
const group = (folder: string, limit: number | 'max', used: number) => ({
  [`/sys/fs/cgroup/${folder}/memory.max`]: limit === 'max' ? 'max\n' : `${limit * MIB}\n`,
  [`/sys/fs/cgroup/${folder}/memory.current`]: `${used * MIB}\n`,
});
/** The use within `/a/b`, on a machine with so much memory available. */
const within = (availableMib: number, ...groups: Record<string, string>[]) =>
  containerUse(
    reading({
      '/proc/meminfo': `MemTotal: ${8192 * 1024} kB\nMemAvailable: ${availableMib * 1024} kB\n`,
      '/proc/self/cgroup': '0::/a/b\n',
      ...Object.assign({}, ...groups),
    }),
  );

describe('containerUse', () => {
  it('ignores what other processes use of the machine', () => {
    expect(within(4096, group('a', 512, 128))).toBe(0.25);
    expect(within(10, group('a', 512, 128))).toBe(0.25);
    expect(within(0)).toBe(0);
  });

  it('is that of the fullest group, each against its own limit', () => {
    expect(within(4096, group('a', 4096, 3072), group('a/b', 512, 128))).toBe(0.75);
    expect(within(4096, group('a', 4096, 1024), group('a/b', 512, 256))).toBe(0.5);
  });

  it('does not count page cache as used', () => {
    expect(within(4096, group('a', 512, 512), { '/sys/fs/cgroup/a/memory.stat': `inactive_file ${256 * MIB}\n` })).toBe(
      0.5,
    );
  });

  it.each([
    ['none without a limit', group('a', 'max', 4096), 0],
    ['none where the limit is more than the machine has', group('a', 8192, 4096), 0],
    ['all, and not more, over the limit', group('a', 512, 600), 1],
    [
      'none, and not less, where all is cache',
      { ...group('a', 512, 1), '/sys/fs/cgroup/a/memory.stat': 'inactive_file 9999999' },
      0,
    ],
  ])('is %s', (_what, files, use) => {
    expect(within(4096, files)).toBe(use);
  });
});
