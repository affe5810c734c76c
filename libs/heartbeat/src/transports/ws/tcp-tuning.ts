import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { TcpOptions } from '../../options/tcp.options.js';

/**
 * Applies the options of group `tcp` to accepted sockets; `ws` itself disables Nagle's algorithm. Keep-alive takes four system calls. So
 * where accepted sockets inherit it from the listening socket, it is set there, once (`docs/decisions/0011`).
 */
export class TcpTuning {
  /** Servers whose accepted sockets inherit keep-alive. */
  readonly #handingOn = new WeakSet<Server>();

  constructor(
    private readonly options: TcpOptions,
    private readonly platform = process.platform,
  ) {}

  /**
   * Must be called before `server` listens: sockets accepted earlier have inherited nothing. The returned function unregisters the server.
   */
  serve(server: Server): () => void {
    // tcp(7) of Linux documents the inheritance; other systems do not.
    if (this.platform !== 'linux' || !this.options.keepAlive || server.listening) return () => {};
    const listening = () => {
      if (this.#setOnListening(server)) this.#handingOn.add(server);
      else this.#handingOn.delete(server);
    };
    server.on('listening', listening);
    return () => server.off('listening', listening);
  }

  /** Applies the options to an accepted socket of any server. */
  tune(network: Socket): void {
    const { keepAlive, keepAliveDelayMs, noDelay } = this.options;
    const { server } = network as { readonly server?: Server | null };
    if (!this.#handingOn.has(server as Server)) network.setKeepAlive(keepAlive, keepAliveDelayMs);
    if (!noDelay) network.setNoDelay(false);
  }

  /** Node has no public method for this. Where its handle lacks it (a worker of `node:cluster`, a pipe), every accepted socket is set. */
  #setOnListening(server: Server): boolean {
    const { _handle: handle } = server as { readonly _handle?: ListeningHandle | null };
    return handle?.setKeepAlive?.(true, Math.trunc(this.options.keepAliveDelayMs / 1000)) === 0;
  }
}

interface ListeningHandle {
  /** Called like `Socket.setKeepAlive` calls it. Returns 0, or the number of an error. */
  setKeepAlive?(enable: boolean, initialDelaySeconds: number): number;
}
