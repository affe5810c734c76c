import { createRequire } from 'node:module';

import { HeartbeatError } from '../../base/heartbeat.error.js';

/** The optional package. A static import would fail before this file could report what to install. */
export const socketIo = load(createRequire(import.meta.url));

/** @throws HeartbeatError `HEARTBEAT_SOCKET_IO_MISSING` where `socket.io` cannot be loaded. */
export function load(require: (name: string) => unknown): typeof import('socket.io') {
  try {
    return require('socket.io') as typeof import('socket.io');
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new HeartbeatError(
      'HEARTBEAT_SOCKET_IO_MISSING',
      `nestjs-heartbeat/socket.io needs the package socket.io, which could not be loaded (${reason}): npm install socket.io`,
    );
  }
}
