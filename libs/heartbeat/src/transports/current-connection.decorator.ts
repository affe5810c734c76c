import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';

import type { Connection } from '../connection/public-connection.js';
import { connectionOfClient } from './socket-io/session-of.js';
import { TrackedSocket } from './ws/tracked-socket.js';

/** The `Connection` of the client that sent the message: `handle(@CurrentConnection() connection: Connection)`. */
export const CurrentConnection: (...pipes: (Type<PipeTransform> | PipeTransform)[]) => ParameterDecorator =
  createParamDecorator<undefined, Connection | undefined>((_: undefined, context: ExecutionContext) => {
    const client: unknown = context.switchToWs().getClient();
    return client instanceof TrackedSocket ? client.connection : connectionOfClient(client);
  });
