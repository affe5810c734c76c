import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { LimitedLogger } from '../base/limited-logger.js';
import { NodeState } from '../node/node-state.js';

/**
 * Detects that the process has no free file descriptor. At its limit of open files Node accepts and drops new connections without an event
 * or an error. The only sign is a file that cannot be opened, so one is opened every second: the null device, which never waits for a
 * disk and takes some 10 µs.
 */
@Injectable()
export class FileWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #log: LimitedLogger;
  /** Ends the work of every second. */
  #end: (() => void) | null = null;

  constructor(private readonly node: NodeState) {
    this.#log = new LimitedLogger('Heartbeat', node.clock);
  }

  onApplicationBootstrap(): void {
    this.#end = this.node.seconds.every(() => void this.check());
  }

  onApplicationShutdown(): void {
    this.#end?.();
    this.#end = null;
    this.#log.close();
  }

  /** One check; returns whether a descriptor was free. @param tryOpen Opens and closes a file. */
  check(tryOpen: () => void = openDevNull): boolean {
    try {
      tryOpen();
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
    }
  }
}

function openDevNull(): void {
  closeSync(openSync(devNull, 'r'));
}
