/** The host's own scheduler beside the reaper: `ScheduleModule` before, after, twice, with jobs of the host, or not at all. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type DynamicModule, Injectable, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { HeartbeatModule, HeartbeatWsAdapter, REAPER_JOB } from 'nestjs-heartbeat';
import { CapturingLogger } from '../support/servers/app.js';
import { watchLeaks } from '../support/assert/leaks.js';

@Injectable()
class HostJobs {
  @Cron('0 0 1 1 *', { name: 'host-cron' })
  yearly(): void {}

  @Interval('host-interval', 3_600_000)
  hourly(): void {}

  @Timeout('host-timeout', 3_600_000)
  later(): void {}
}

@Module({ providers: [HostJobs] })
class JobsModule {}

@Injectable()
class DynamicJobs {
  constructor(readonly registry: SchedulerRegistry) {}

  onApplicationBootstrap(): void {
    const timer = setInterval(() => {}, 3_600_000);
    this.registry.addInterval('host-dynamic', timer);
  }

  /** Some hosts clean up by themselves; then the orchestrator finds nothing, and neither may the reaper insist. */
  onModuleDestroy(): void {
    for (const name of this.registry.getCronJobs().keys()) this.registry.deleteCronJob(name);
  }
}

@Module({ imports: [ScheduleModule.forRoot()], providers: [DynamicJobs] })
class SelfCleaningModule {}

const heartbeat = () => HeartbeatModule.forRoot({ drain: { spreadMs: 0 } });
const schedule = (): DynamicModule => ScheduleModule.forRoot();
const noIntervals = (): DynamicModule => ScheduleModule.forRoot({ intervals: false });

type Imports = NonNullable<DynamicModule['imports']>;

describe('a host with @nestjs/schedule', () => {
  let logger: CapturingLogger;
  let assertNothingLeft: () => Promise<void>;

  beforeEach(() => {
    logger = new CapturingLogger();
    assertNothingLeft = watchLeaks();
  });

  afterEach(async () => {
    Logger.overrideLogger(false);
    await assertNothingLeft();
  });

  it.each<[string, () => Imports, boolean]>([
    ['no ScheduleModule', () => [heartbeat()], false],
    ['ScheduleModule before ours', () => [schedule(), heartbeat()], true],
    ['ScheduleModule after ours', () => [heartbeat(), schedule()], true],
    ['ScheduleModule twice', () => [schedule(), heartbeat(), schedule()], true],
    ['two ScheduleModules of other options', () => [schedule(), heartbeat(), noIntervals()], true],
    ['jobs of the host, before ours', () => [schedule(), JobsModule, heartbeat()], true],
    ['jobs of the host, after ours', () => [heartbeat(), JobsModule, schedule()], true],
    ['a host that deletes all jobs itself', () => [heartbeat(), SelfCleaningModule], true],
    ['a host that deletes all jobs itself, before ours', () => [SelfCleaningModule, heartbeat()], true],
  ])('starts and closes without a warning or an error: %s', async (_what, imports, listed) => {
    @Module({ imports: imports() })
    class HostModule {}

    const app = await NestFactory.create(HostModule, { logger });
    app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
    const registry = listed ? app.get(SchedulerRegistry, { strict: false }) : null;
    expect(registry?.doesExist('cron', REAPER_JOB) ?? false).toBe(listed);
    await app.close();
    expect(logger.lines.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level))).toEqual([]);
  });
});
