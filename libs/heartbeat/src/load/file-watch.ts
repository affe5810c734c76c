import { open } from 'node:fs/promises';
import { devNull } from 'node:os';

import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { NodeState } from '../node/node-state.js';
import { LimitedLogger } from '../base/limited-logger.js';

const STEP_MS = 1000;

/**
 * Detects that the process has no free file descriptor. At its limit of open files Node accepts and drops new connections without an event
 * or an error. The only sign is a file that cannot be opened, so one is opened every second.
 */
@Injectable()
export class FileWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #log: LimitedLogger;
  #timer: NodeJS.Timeout | null = null;
  #isChecking = false;

  constructor(node: NodeState) {
    this.#log = new LimitedLogger('Heartbeat', node.clock);
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.check(), STEP_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#log.close();
  }

  /** One check; returns whether a descriptor was free. @param tryOpen Opens and closes a file. */
  async check(tryOpen: () => Promise<void> = openDevNull): Promise<boolean> {
    if (this.#isChecking) return true;
    this.#isChecking = true;
    try {
      await tryOpen();
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EMFILE' && code !== 'ENFILE') return true;
      const whose = code === 'EMFILE' ? 'this process' : 'this machine';
      this.#log.error(
        `no file descriptor is free (${code})`,
        `no file descriptor is free (${code}): ${whose} is at its limit of open files, and new connections are dropped without an answer; raise the limit (ulimit -n, LimitNOFILE, --ulimit nofile)`,
      );
      return false;
    } finally {
      this.#isChecking = false;
    }
  }
}

async function openDevNull(): Promise<void> {
  const file = await open(devNull);
  await file.close();
}
