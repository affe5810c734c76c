import { describe, expect, it } from '@jest/globals';

import { memoryBudget } from './container-memory.js';

const MIB = 1024 * 1024;
const MEMINFO = `MemTotal:        8388608 kB\nMemFree:          102400 kB\nMemAvailable:    4194304 kB\n`;
const UNLIMITED_V1 = '9223372036854771712\n';

/** What the files say; all others are not there. */
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

  it('is the tightest of all groups on the way up', () => {
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

  it('has nothing left, and not less, in a group that is over its limit', () => {
    const files = {
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': '1000\n',
      '/sys/fs/cgroup/memory.current': '1200\n',
    };
    expect(memoryBudget(reading(files)).freeBytes).toBe(0);
  });

  it('asks Node where the system has no such files', () => {
    const { limitBytes, freeBytes } = memoryBudget(() => null);
    expect(limitBytes).toBeGreaterThan(freeBytes);
    expect(freeBytes).toBeGreaterThan(0);
  });
});
