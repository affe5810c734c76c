import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import { type ServerOptions, WebSocket } from 'ws';

import { TrackedSocket } from './tracked-socket.js';

type SocketClass = new (...given: never[]) => WebSocket;

/** The method with which a server of `ws` gives a socket its network. It is documented in `ws`, but not for applications. */
interface Inside {
  setSocket(network: Socket, head: Buffer, options: object): void;
}
const { setSocket } = TrackedSocket.prototype as unknown as Inside;

/**
 * The class for the sockets of a tracked server; null where the application has a class of its own that is no {@link TrackedSocket}, and
 * undefined where `ws` is too old to be given a class.
 *
 * The server of another copy of `ws` works with our class, since both follow the same protocol between server and socket. An older copy
 * passes fewer limits to the socket, so ours are added.
 */
export function socketClassFor(options: ServerOptions): SocketClass | null | undefined {
  const { WebSocket: given } = options as { readonly WebSocket?: SocketClass };
  if (given === undefined || given === WebSocket) return given && TrackedSocket;
  if (given === TrackedSocket || given.prototype instanceof TrackedSocket) return given;
  // The class of `ws` itself is the only one that inherits directly.
  if (Object.getPrototypeOf(given.prototype) !== EventEmitter.prototype) return null;
  return class extends TrackedSocket implements Inside {
    constructor() {
      // The types of `ws` do not have the options that its servers pass.
      super(...([null, undefined, options] as unknown as [address: null]));
    }

    setSocket(network: Socket, head: Buffer, some: object): void {
      const { maxFragments, maxBufferedChunks } = options as Readonly<Record<string, unknown>>;
      Reflect.apply(setSocket, this, [network, head, { maxFragments, maxBufferedChunks, ...some }]);
    }
  };
}
