import { Injectable } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { examine } from './examine.js';
import type { Finding } from './finding.js';
import { thisSystem } from './system-reader.js';

/** Answer of `GET doctor`. */
export interface DoctorReport {
  readonly findings: readonly Finding[];
}

/** Looks at this node's configuration and operating system for what will hurt under load. */
@Injectable()
export class DoctorService {
  constructor(private readonly node: NodeState) {}

  findings(system = thisSystem): DoctorReport {
    const { options, proxyHeaderSeen } = this.node;
    return { findings: examine({ options, system, proxyHeaderSeen }) };
  }
}
