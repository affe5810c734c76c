import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import type { NodeState } from '../connection/node-state.js';
import { resolveOptions } from '../resolve-options.js';
import { DoctorService } from './doctor.service.js';

const VARIABLE = 'TERMINATION_GRACE_PERIOD_SECONDS';

describe('DoctorService', () => {
  const before = process.env[VARIABLE];
  let warnings: unknown[];

  beforeEach(() => {
    warnings = [];
    Logger.overrideLogger({
      warn: (text: unknown) => warnings.push(text),
      log: () => undefined,
      error: () => undefined,
    });
  });

  afterEach(() => {
    delete process.env[VARIABLE];
    if (before !== undefined) process.env[VARIABLE] = before;
  });

  function start(deadlineMs: number, grace: string): void {
    process.env[VARIABLE] = grace;
    const options = resolveOptions({ drain: { deadlineMs } });
    new DoctorService({ options, proxyHeaderSeen: false } as NodeState).onApplicationBootstrap();
  }

  it('warns at the start of a drain that takes longer than the grace', () => {
    start(25_000, '10');
    expect(warnings).toEqual([
      expect.stringMatching(/^drain\.deadlineMs is 25 s; .* is 10\. .*Raise the grace to 26 s/),
    ]);
  });

  it.each([
    ['the grace is enough', '26'],
    ['the grace is not known', ''],
  ])('is silent at the start where %s', (_what, grace) => {
    start(25_000, grace);
    expect(warnings).toEqual([]);
  });
});
