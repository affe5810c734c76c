import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { snapshotPath, snapshotRoom, writeSnapshot } from './snapshot-file.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('snapshotPath', () => {
  it('contains the node and the time, in the folder for temporary files', () => {
    expect(snapshotPath('web-1-0badf00d', new Date('2026-01-02T03:04:05.678Z'))).toBe(
      join(tmpdir(), 'heap-web-1-0badf00d-2026-01-02T03-04-05-678Z.heapsnapshot'),
    );
  });

  it.each(['../../etc/passwd', 'a/b', 'ü ', '\0', 'x'.repeat(1000)])(
    'stays in that folder for a node named %j',
    name => {
      const path = snapshotPath(name, new Date(0));
      expect(path.slice(tmpdir().length + 1)).toMatch(/^heap-[\w.-]{1,100}-1970-01-01T00-00-00-000Z\.heapsnapshot$/);
    },
  );
});

describe('snapshotRoom', () => {
  it('reads the disk', async () => {
    const { freeDiskBytes, diskIsMemory } = await snapshotRoom();
    expect(freeDiskBytes).toBeGreaterThan(0);
    expect(typeof diskIsMemory).toBe('boolean');
  });
});

describe('writeSnapshot', () => {
  it('never overwrites an existing file or follows a link', async () => {
    const theirs = join(folder, 'theirs');
    await writeFile(theirs, 'theirs');
    await symlink(theirs, join(folder, 'link'));
    await expect(writeSnapshot(theirs)).rejects.toThrow('EEXIST');
    await expect(writeSnapshot(join(folder, 'link'))).rejects.toThrow('EEXIST');
    expect(await readFile(theirs, 'utf8')).toBe('theirs');
    expect(await readdir(folder)).toHaveLength(2);
  });
});
