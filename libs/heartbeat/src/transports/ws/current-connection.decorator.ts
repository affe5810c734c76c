import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import type { Connection } from '../../connection/connection.js';
import type { TrackedSocket } from '../../connection/tracked-socket.js';

/** The `Connection` of the client whose message is handled: `handle(@CurrentConnection() connection: Connection)`. */
export const CurrentConnection = createParamDecorator<undefined, Connection | undefined>(
  (_: undefined, context: ExecutionContext) => context.switchToWs().getClient<TrackedSocket>().connection,
);
