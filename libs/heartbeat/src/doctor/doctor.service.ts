import { Server as TlsServer } from 'node:tls';

import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { z } from 'zod';

import { NodeRequests } from '../messaging/node-requests.js';
import { HTTP_SETTINGS, type HttpSettings } from '../http/http-settings.js';
import { withLimits } from '../node/live-limits.js';
import { NodeState } from '../node/node-state.js';
import { runChecks } from './run-checks.js';
import { type Finding, findingSchema } from './finding.js';
import { drainDeadline } from './grace-checks.js';
import { thisSystem } from './system-reader.js';

/** The response of `GET doctor`. */
export interface DoctorReport {
  readonly findings: readonly Finding[];
}

const findings: z.ZodType<readonly Finding[]> = z.array(findingSchema);
export const DOCTOR = { request: z.object({}), reply: z.object({ findings }) };

/** Checks this node's configuration and operating system for problems under load. */
@Injectable()
export class DoctorService implements OnApplicationBootstrap {
  readonly #logger = new Logger('Heartbeat');
  readonly #report;

  constructor(
    private readonly node: NodeState,
    private readonly adapterHost: HttpAdapterHost,
    @Inject(HTTP_SETTINGS) private readonly http: HttpSettings,
    requests: NodeRequests,
  ) {
    this.#report = requests.handle('doctor', DOCTOR, () => this.findings());
  }

  /** Logs the one finding that comes too late after the stop: a supervisor kills the process before its drain has ended. */
  onApplicationBootstrap(system = thisSystem): void {
    const { options, proxyHeaderSeen } = this.node;
    const { severity, evidence, why, remedy } = drainDeadline({ options, system, proxyHeaderSeen });
    if (severity === 'warn') this.#logger.warn(`${evidence}. ${why} ${remedy}`);
  }

  /**
   * The findings of a node.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when it does not respond.
   */
  reportOf(nodeId: string): Promise<DoctorReport> {
    return this.#report.sendToOne(nodeId, {});
  }

  findings(system = thisSystem): DoctorReport {
    const { proxyHeaderSeen, unixPeerSeen } = this.node;
    const options = withLimits(this.node.options, this.node.limits);
    const server: unknown = this.adapterHost.httpAdapter?.getHttpServer();
    const listensOn = addressOf(server);
    const isTls = server instanceof TlsServer;
    const hasAdminPort = this.http.adminPort !== null && !this.http.adminPort.beside;
    return { findings: runChecks({ options, system, proxyHeaderSeen, unixPeerSeen, listensOn, isTls, hasAdminPort }) };
  }
}

/** Null before the server listens, and on a Unix socket. */
function addressOf(server: unknown): string | null {
  const bound = (server as { address?(): unknown } | undefined)?.address?.() ?? null;
  return (Object(bound) as { address?: string }).address ?? null;
}
