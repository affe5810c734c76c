import { Inject, Injectable, Optional } from '@nestjs/common';
import { z } from 'zod';

import { HEARTBEAT_GIVEN_KEYS, HEARTBEAT_OPTION_VARIABLES } from '../base/heartbeat.tokens.js';
import { wireId } from '../base/wire-values.js';
import { LimitsInForce } from '../limits/limits-in-force.js';
import { NodeRequests } from '../messaging/node-requests.js';
import { NodeState } from '../node/node-state.js';
import { configItem, configReport } from './config-report.js';

/** The response of `GET config`. */
export const configAnswer = z.object({
  node: wireId.meta({ description: 'The id of the node.' }),
  items: z.array(configItem).max(500),
});
export type ConfigAnswer = Readonly<z.output<typeof configAnswer>>;

/** The options in force on each node. */
@Injectable()
export class ConfigService {
  readonly #report;

  constructor(
    private readonly node: NodeState,
    private readonly inForce: LimitsInForce,
    @Inject(HEARTBEAT_GIVEN_KEYS) private readonly given: ReadonlySet<string>,
    @Optional() @Inject(HEARTBEAT_OPTION_VARIABLES) private readonly variables: Readonly<Record<string, string>> = {},
    requests: NodeRequests,
  ) {
    this.#report = requests.handle('config', { request: z.object({}), reply: configAnswer }, () => this.report());
  }

  /**
   * The options of a node.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when it does not respond.
   */
  reportOf(nodeId: string): Promise<ConfigAnswer> {
    return this.#report.sendToOne(nodeId, {});
  }

  report(): ConfigAnswer {
    const { id, options, limits, clock } = this.node;
    const { overrides } = this.inForce;
    const facts = { options, given: this.given, variables: this.variables, limits, overrides, clock };
    return { node: id, items: configReport(facts) };
  }
}
