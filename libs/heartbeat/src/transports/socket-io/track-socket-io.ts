import type { INestApplicationContext } from '@nestjs/common';
import type { Server } from 'socket.io';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import { nodeOf } from '../node-of.js';
import type { SocketIoServer } from './engine-fields.js';
import { TrackedIo } from './tracked-io.js';

/** The last tracking of each server. It can be resumed, so that nothing is added to a server twice. */
const TRACKED = new WeakMap<Server, TrackedIo>();

/**
 * Tracks a Socket.IO server that the application made itself: admission, liveness, limits, lists, kicks, drain and metrics, as for gateways.
 * To be called before the server accepts clients. Beside gateways on the same port the server needs `destroyUpgrade: false`. Returns a function
 * that ends the tracking of new sessions.
 * @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule`, `HEARTBEAT_BAD_OPTIONS` for a value that is no server, a server
 * that is already tracked, or one with `allowEIO3`, WebTransport or a `wsEngine`.
 */
export function trackSocketIo(app: INestApplicationContext, server: Server): () => void {
  nodeOf(app, 'trackSocketIo');
  if (typeof (server as Partial<Server> | undefined)?.of !== 'function') {
    refuse(server, 'must be a Server of socket.io', 'write trackSocketIo(app, new Server(app.getHttpServer()))');
  }
  const known = TRACKED.get(server);
  if (known?.isOver === false) refuse('(a server)', 'is already tracked', 'call trackSocketIo once for each server');
  const tracked = known?.app === app ? known : new TrackedIo(app, server as unknown as SocketIoServer);
  tracked.start();
  TRACKED.set(server, tracked);
  let isEnded = false;
  return () => {
    if (!isEnded) tracked.end();
    isEnded = true;
  };
}

function refuse(value: unknown, rule: string, remedy: string): never {
  const problems = [{ key: 'server', value, rule, remedy }];
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `The Socket.IO server ${rule}: ${remedy}`, problems);
}
