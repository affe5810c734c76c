import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { TcpOptions } from '../guard.options.js';

/**
 * Gives accepted sockets the options of group `tcp`; `ws` itself has switched Nagle's algorithm off. Keep-alive is four system
 * calls, so where the operating system hands it on from the socket that listens to those that it accepts, it is set there, once.
 */
export class TcpTuning {
  /** Servers whose accepted sockets have keep-alive from the beginning. */
  readonly #handingOn = new WeakSet<Server>();

  constructor(
    private readonly options: TcpOptions,
    private readonly platform = process.platform,
  ) {}

  /** Before `server` listens: what it accepted earlier would have inherited nothing. */
  serve(server: Server): void {
    // socket(7) of Linux; elsewhere it is not said.
    if (this.platform !== 'linux' || !this.options.keepAlive || server.listening) return;
    server.on('listening', () => {
      if (this.#setOnListening(server)) this.#handingOn.add(server);
      else this.#handingOn.delete(server);
    });
  }

  /** An accepted socket of whatever server. */
  tune(network: Socket): void {
    const { keepAlive, keepAliveDelayMs, noDelay } = this.options;
    const { server } = network as { readonly server?: Server };
    if (server === undefined || !this.#handingOn.has(server)) network.setKeepAlive(keepAlive, keepAliveDelayMs);
    if (!noDelay) network.setNoDelay(false);
  }

  /** Node has no public way to do this: where its handle is another (a worker of `node:cluster`, a pipe), every socket is set. */
  #setOnListening(server: Server): boolean {
    const { _handle: handle } = server as { readonly _handle?: ListeningHandle | null };
    return handle?.setKeepAlive?.(true, Math.trunc(this.options.keepAliveDelayMs / 1000)) === 0;
  }
}

interface ListeningHandle {
  /** As `Socket.setKeepAlive` calls it: 0, or the number of an error. */
  setKeepAlive?(enable: boolean, initialDelaySeconds: number): number;
}
