import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { FileWatch } from './file-watch.js';

const lines: string[] = [];
const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

describe('FileWatch', () => {
  let watch: FileWatch;

  beforeEach(() => {
    lines.length = 0;
    Logger.overrideLogger({ log: () => {}, warn: () => {}, error: (text: string) => lines.push(text) });
    watch = new FileWatch(new NodeState(resolveOptions(), { now: () => 5, wallTime: moment => new Date(moment) }));
  });
  afterEach(() => {
    watch.onApplicationShutdown();
    Logger.overrideLogger(false);
  });

  it('finds a free descriptor in this process, and logs nothing', () => {
    expect(watch.check()).toBe(true);
    expect(lines).toEqual([]);
  });

  it.each([
    ['EMFILE', 'this process'],
    ['ENFILE', 'this machine'],
  ])('logs %s once, however often it occurs within a minute', (code, whose) => {
    for (let i = 0; i < 30; i++) expect(watch.check(failing(code))).toBe(false);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`(${code}): ${whose} is at its limit of open files`);
    expect(lines[0]).toContain('ulimit -n');
  });

  it('ignores other errors', () => {
    expect(watch.check(failing('EACCES'))).toBe(true);
    expect(lines).toEqual([]);
  });
});
