import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { examine } from './examine.js';
import type { Finding } from './finding.js';
import { drainDeadline } from './option-checks.js';
import { thisSystem } from './system-reader.js';

/** Answer of `GET doctor`. */
export interface DoctorReport {
  readonly findings: readonly Finding[];
}

/** Looks at this node's configuration and operating system for what will hurt under load. */
@Injectable()
export class DoctorService implements OnApplicationBootstrap {
  readonly #logger = new Logger('Heartbeat');

  constructor(private readonly node: NodeState) {}

  /** The one finding that nobody would ask for before it is too late. */
  onApplicationBootstrap(): void {
    const { options, proxyHeaderSeen } = this.node;
    const { severity, evidence, why, remedy } = drainDeadline({ options, system: thisSystem, proxyHeaderSeen });
    if (severity === 'warn') this.#logger.warn(`${evidence}. ${why} ${remedy}`);
  }

  findings(system = thisSystem): DoctorReport {
    const { options, proxyHeaderSeen } = this.node;
    return { findings: examine({ options, system, proxyHeaderSeen }) };
  }
}
