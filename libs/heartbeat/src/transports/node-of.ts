import type { INestApplicationContext } from '@nestjs/common';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { NodeState } from '../node/node-state.js';

/**
 * The state of an application's node.
 * @param what The part that needs it, for the error.
 * @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule`.
 */
export function nodeOf(app: INestApplicationContext, what: string): NodeState {
  try {
    return app.get(NodeState, { strict: false });
  } catch {
    const remedy = 'add HeartbeatModule.forRoot() to the imports of your root module';
    throw new HeartbeatError('HEARTBEAT_MODULE_MISSING', `${what} needs HeartbeatModule: ${remedy}`);
  }
}

/** The same for a gateway adapter, which is then installed. */
export function installIn(app: INestApplicationContext, adapter: string): NodeState {
  const node = nodeOf(app, adapter);
  node.application = app;
  return node;
}
