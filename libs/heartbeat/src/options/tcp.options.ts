import { flag, group, milliseconds } from './checkers.js';

/** Options of each accepted TCP socket. */
export interface TcpOptions {
  /**
   * Whether TCP probes an idle connection (SO_KEEPALIVE, tcp(7)). It supplements the heartbeat and does not replace it. On Linux accepted
   * sockets inherit it from the listening socket. So plain HTTP connections have it too, and a setting of the app on a socket stays.
   * Default: true.
   */
  keepAlive: boolean;
  /**
   * Idle time before the first probe.
   * Default: 60000.
   */
  keepAliveDelayMs: number;
  /**
   * Whether small frames are sent at once (TCP_NODELAY).
   * Default: true.
   */
  noDelay: boolean;
}

export const TCP_DEFAULTS: TcpOptions = { keepAlive: true, keepAliveDelayMs: 60_000, noDelay: true };

export const TCP_RULES = group<TcpOptions>({ keepAlive: flag(), keepAliveDelayMs: milliseconds(0), noDelay: flag() });
