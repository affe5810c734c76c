import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { TcpOptions } from '../../options/guard.options.js';

/**
 * Gives accepted sockets the options of group `tcp`; `ws` itself has switched Nagle's algorithm off. Keep-alive is four system
 * calls, so where a socket inherits it from the one that listens, it is set there, once (`docs/decisions/0011`).
 */
export class TcpTuning {
  /** Servers whose accepted sockets inherit keep-alive. */
  readonly #handingOn = new WeakSet<Server>();

  constructor(
    private readonly options: TcpOptions,
    private readonly platform = process.platform,
  ) {}

  /**
   * To be told before `server` listens: what it accepted earlier has inherited nothing. Answers how to leave it again.
   */
  serve(server: Server): () => void {
    // tcp(7) of Linux; nothing is said of it elsewhere.
    if (this.platform !== 'linux' || !this.options.keepAlive || server.listening) return () => {};
    const listening = () => {
      if (this.#setOnListening(server)) this.#handingOn.add(server);
      else this.#handingOn.delete(server);
    };
    server.on('listening', listening);
    return () => server.off('listening', listening);
  }

  /** An accepted socket of whatever server. */
  tune(network: Socket): void {
    const { keepAlive, keepAliveDelayMs, noDelay } = this.options;
    const { server } = network as { readonly server?: Server | null };
    if (!this.#handingOn.has(server as Server)) network.setKeepAlive(keepAlive, keepAliveDelayMs);
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
