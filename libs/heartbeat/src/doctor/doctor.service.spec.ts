import { beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import type { NodeRequests } from '../messaging/node-requests.js';
import type { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { DoctorService } from './doctor.service.js';
import { thisSystem } from './system-reader.js';

const VARIABLE = 'TERMINATION_GRACE_PERIOD_SECONDS';

function start(deadlineMs: number, variables: Readonly<Record<string, string>>): void {
  const options = resolveOptions({ drain: { deadlineMs } });
  const doctor = new DoctorService(
    { options, proxyHeaderSeen: false } as NodeState,
    new HttpAdapterHost(),
    { routes: [], adminPort: null },
    {
      handle: () => undefined,
    } as unknown as NodeRequests,
  );
  const system = { ...thisSystem, file: () => null, variable: (name: string) => variables[name] ?? null };
  doctor.onApplicationBootstrap(system);
}

describe('DoctorService', () => {
  let warnings: unknown[];

  beforeEach(() => {
    warnings = [];
    Logger.overrideLogger({
      warn: (text: unknown) => warnings.push(text),
      log: () => undefined,
      error: () => undefined,
    });
  });

  it('warns at the start when the drain takes longer than the grace', () => {
    start(25_000, { [VARIABLE]: '10' });
    expect(warnings).toEqual([
      expect.stringMatching(/^drain\.deadlineMs is 25 s; .* is 10\. .*Raise the grace to 26 s/),
    ]);
  });

  it('warns at the start when the grace of a supervisor is too short', () => {
    start(25_000, { pm_id: '0' });
    expect(warnings).toEqual([
      expect.stringMatching(/PM2 \(pm_id is set\) kills the process after 1\.6 s.*kill_timeout/),
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['the grace is enough', { [VARIABLE]: '26' }],
    ['the grace is not known', {}],
  ])('logs nothing at the start where %s', (_what, variables) => {
    start(25_000, variables);
    expect(warnings).toEqual([]);
  });
});
