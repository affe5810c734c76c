import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Where a {@link DelayingProxy} leads and what it adds. */
export interface DelayingProxyOptions {
  readonly targetPort: number;
  /** Default 127.0.0.1. */
  readonly targetHost?: string;
  /** Added to each direction, in milliseconds; the round trip grows by twice that. Default 75. */
  readonly delayMs?: number;
  /** Bytes on their way in one direction above which the sender is no longer read. Default 1 MiB. */
  readonly maxInFlightBytes?: number;
}

/**
 * A TCP proxy on 127.0.0.1 that delays what it carries: order is kept, a FIN travels as late as the bytes before it, a reset
 * at once. A black hole carries nothing and closes nothing, as a cable that was pulled; `heal()` puts the cable back, and what was on its
 * way arrives then, as TCP's repetition would have it.
 */
export class DelayingProxy {
  readonly connections = new Set<ProxiedConnection>();
  readonly #server: Server;
  readonly #options: Required<DelayingProxyOptions>;
  #holed = false;

  private constructor(options: DelayingProxyOptions) {
    this.#options = { targetHost: '127.0.0.1', delayMs: 75, maxInFlightBytes: 1024 * 1024, ...options };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#accept(client));
  }

  static async start(options: DelayingProxyOptions): Promise<DelayingProxy> {
    const proxy = new DelayingProxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** The port to connect to. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on nothing passes, neither way, for those connected and those to come; the sockets stay open. */
  blackHole(): void {
    this.#holed = true;
    for (const connection of this.connections) connection.blackHole();
  }

  /** Ends the black hole. */
  heal(): void {
    this.#holed = false;
    for (const connection of this.connections) connection.heal();
  }

  /** Destroys every connection and stops listening. */
  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    const { targetHost: host, targetPort: port, delayMs, maxInFlightBytes } = this.#options;
    const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const connection = new ProxiedConnection(client, upstream, delayMs, maxInFlightBytes);
    this.connections.add(connection);
    // In a black hole one of the two may be closed long before the other.
    for (const socket of [client, upstream])
      socket.once('close', () => {
        if (client.destroyed && upstream.destroyed) this.connections.delete(connection);
      });
    if (this.#holed) connection.blackHole();
  }
}

/** One client's connection through the proxy. */
export class ProxiedConnection {
  /** The client's port: it distinguishes connections. */
  readonly clientPort: number | undefined;
  readonly #lanes: readonly [Lane, Lane];

  constructor(client: Socket, upstream: Socket, delayMs: number, maxInFlightBytes: number) {
    this.clientPort = client.remotePort;
    this.#lanes = [
      new Lane(client, upstream, delayMs, maxInFlightBytes),
      new Lane(upstream, client, delayMs, maxInFlightBytes),
    ];
  }

  blackHole(): void {
    for (const lane of this.#lanes) lane.hold();
  }

  heal(): void {
    for (const lane of this.#lanes) lane.release();
  }

  destroy(): void {
    for (const lane of this.#lanes) lane.destroy();
  }
}

/** One direction: a queue of chunks, each with the moment at which it is due; the end of the stream is `null`. */
class Lane {
  readonly #queue: { readonly dueAt: number; readonly chunk: Buffer | null }[] = [];
  #inFlightBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #held = false;
  #blocked = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly delayMs: number,
    private readonly maxInFlightBytes: number,
  ) {
    from.on('data', chunk => this.#enqueue(chunk));
    from.on('end', () => this.#enqueue(null));
    from.on('error', () => {
      if (!this.#held) to.resetAndDestroy();
    });
    from.on('close', () => this.#sourceClosed());
    to.on('drain', () => {
      this.#blocked = false;
      this.#schedule();
    });
    to.on('close', () => this.#stop());
  }

  hold(): void {
    this.#held = true;
    // Not reading lets the sender's bytes pile up in its own kernel, unacknowledged in the end, as with a dead link.
    this.from.pause();
    this.#stop();
  }

  release(): void {
    this.#held = false;
    if (this.from.destroyed) this.#sourceClosed();
    else this.#readIfRoom();
    this.#schedule();
  }

  destroy(): void {
    this.#stop();
    this.from.destroy();
  }

  #enqueue(chunk: Buffer | null): void {
    this.#queue.push({ dueAt: performance.now() + this.delayMs, chunk });
    this.#inFlightBytes += chunk?.length ?? 0;
    this.#readIfRoom();
    this.#schedule();
  }

  #schedule(): void {
    const [head] = this.#queue;
    if (head === undefined || this.#timer !== null || this.#held || this.#blocked || this.to.destroyed) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#deliver();
      },
      Math.max(0, Math.ceil(head.dueAt - performance.now())),
    );
  }

  #deliver(): void {
    const now = performance.now();
    for (let head = this.#queue[0]; head !== undefined && head.dueAt <= now && !this.#blocked; head = this.#queue[0]) {
      this.#queue.shift();
      if (head.chunk === null) this.to.end();
      else this.#blocked = !this.to.write(head.chunk);
      this.#inFlightBytes -= head.chunk?.length ?? 0;
    }
    this.#readIfRoom();
    this.#schedule();
  }

  #readIfRoom(): void {
    if (this.#held || this.#inFlightBytes > this.maxInFlightBytes) this.from.pause();
    else this.from.resume();
  }

  /** Closed without an end: the other side must not wait for one. A regular end is already in the queue. */
  #sourceClosed(): void {
    if (!this.from.readableEnded && !this.#held) this.to.destroy();
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
