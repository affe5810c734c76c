// Measures: deadlines.
/**
 * The promises of liveness with real sockets: silent peers are found in time, and others are not closed. Stalls of the server are in
 * `liveness-stall.e2e-spec.ts`.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { type Connection, CurrentConnection, type TrackedSocket } from 'nestjs-heartbeat';
import { beat, boundOf, TestApp } from '../support/servers/app.js';
import { DelayingProxy } from '../support/faults/delaying-proxy.js';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import { NetworkNamespace } from '../support/faults/netns.js';
import type { Ended, RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { passed, until, watchMachine } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  readonly sockets: TrackedSocket[] = [];

  handleConnection(socket: TrackedSocket): void {
    this.sockets.push(socket);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}

/** Its handlers run until their client has gone, as one does that follows something for it. */
@WebSocketGateway({ path: '/ws' })
class WaitingGateway {
  running = 0;

  @SubscribeMessage('wait')
  async wait(@CurrentConnection() { signal }: Connection): Promise<void> {
    this.running++;
    setMaxListeners(100, signal);
    if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve));
    this.running--;
  }
}

const BEAT = beat(600, 200);
/** 600 + 2 × 200 + 1000 ms. */
const BOUND_MS = boundOf(BEAT);

afterEach(() => TestApp.closeAll());

async function start(heartbeat: object = BEAT, limits: object = {}): Promise<TestApp> {
  return TestApp.start({ gateways: [EchoGateway], options: { heartbeat, limits } });
}

/** The server's side of the sockets, in the order of their opening. */
function socketsOf(app: TestApp): TrackedSocket[] {
  return app.app.get(EchoGateway).sockets;
}

/** Sends to all clients every 20 ms, as a ticker would, until the app closes. */
function keepSending(app: TestApp): void {
  const timer = setInterval(() => app.connections.broadcast({ event: 'tick' }), 20);
  app.onClose(() => clearInterval(timer));
}

/** How a client's connection ended, once it has. */
async function endOf(client: RawClient, timeoutMs = 2 * BOUND_MS): Promise<Ended> {
  let end: Ended | undefined;
  void client.ended.then(ended => (end = ended));
  return until(() => end, { timeoutMs, message: 'the end of the connection' });
}

/** The codes of the closed connections, newest first. */
function closedCodes(app: TestApp): number[] {
  return app.connections.closedHistory().map(({ code }) => code);
}

describe('A peer that went silent', () => {
  it('is destroyed within the bound of its last byte, without a close frame, and recorded as 4000', async () => {
    const app = await start();
    const client = await app.opened();
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    client.silent();
    const machineMs = watchMachine();
    const silentSince = performance.now();
    const end = await endOf(client);
    expect(end.at - silentSince).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(end).toMatchObject({ code: 1006, error: null });
    expect(client.closeFrame).toBeNull();
    expect(app.connections.closedHistory()).toMatchObject([
      { code: 4000, reason: 'heartbeat timeout', closedBy: 'server' },
    ]);
    expect(app.connections.count).toBe(0);
  });

  it('is asked missedPongs times before', async () => {
    const app = await start(beat(400, 150, 4));
    const client = await app.opened({ autoPong: false });
    await endOf(client);
    expect(client.pings.length).toBe(4);
  });

  it('is found also while the server keeps sending to it', async () => {
    const app = await start();
    const client = await app.opened();
    keepSending(app);
    client.sendEvent('echo', 1);
    await until(() => client.texts.some(text => text.includes('echo')));
    client.silent();
    const machineMs = watchMachine();
    const silentSince = performance.now();
    const { at } = await endOf(client);
    expect(at - silentSince).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(client.messages.length).toBeGreaterThan(10);
    expect(closedCodes(app)).toEqual([4000]);
  });

  it('is found in time when it is one of 300 at once, and no other client is', async () => {
    const app = await start();
    const silent = await Promise.all(Array.from({ length: 300 }, () => app.opened()));
    const healthy = await Promise.all(Array.from({ length: 50 }, () => app.opened()));
    const machineMs = watchMachine();
    const silentSince = silent.map(client => {
      client.sendEvent('echo', 1);
      client.silent();
      return performance.now();
    });
    const ends = await Promise.all(silent.map(client => endOf(client)));
    const worstMs = Math.max(...ends.map(({ at }, index) => at - silentSince[index]!));
    expect(worstMs).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(closedCodes(app)).toEqual(Array(300).fill(4000));
    expect(app.connections.count).toBe(healthy.length);
  });

  it('is found when the line carries nothing any more', async () => {
    const app = await start();
    const proxy = await DelayingProxy.start({ targetPort: app.port, delayMs: 1 });
    app.onClose(() => proxy.close());
    await app.opened({ port: proxy.port });
    proxy.blackHole();
    const machineMs = watchMachine();
    const deafSince = performance.now();
    await until(() => app.connections.count === 0, { timeoutMs: 2 * BOUND_MS });
    expect(performance.now() - deafSince).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(closedCodes(app)).toEqual([4000]);
  });

  it('is found when its packets are dropped and the server’s pile up in the kernel', async () => {
    const namespace = await NetworkNamespace.createIfAllowed();
    if (namespace === null) return;
    const app = await TestApp.start({ gateways: [EchoGateway], options: { heartbeat: BEAT }, host: '0.0.0.0' });
    app.onClose(() => namespace.remove());
    app.onClose(() => ServerProcess.stopAll());
    ServerProcess.spawn({
      entry: 'test/e2e/lone-client.ts',
      nodeArgs: ['--import', './test/support/run-typescript.mjs'],
      via: namespace.exec,
      env: { HOST: namespace.hostAddress, TARGET_PORT: String(app.port) },
    });
    await until(() => app.connections.count === 1, { timeoutMs: 15_000 });
    keepSending(app);
    await namespace.blackHole();
    const machineMs = watchMachine();
    const deafSince = performance.now();
    await until(() => app.connections.count === 0, { timeoutMs: 2 * BOUND_MS });
    expect(performance.now() - deafSince).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(closedCodes(app)).toEqual([4000]);
  });
});

describe('A peer that lives', () => {
  it('is left alone when it answers every second ping only', async () => {
    const app = await start();
    const client = await app.opened({ autoPong: false });
    let answered = 0;
    const timer = setInterval(() => {
      if (client.pings.length < answered + 2) return;
      answered = client.pings.length;
      client.pong(client.pings[answered - 1]?.data);
    }, 5);
    app.onClose(() => clearInterval(timer));
    await until(() => answered >= 6, { timeoutMs: 10_000 });
    expect(app.connections.count).toBe(1);
    expect(closedCodes(app)).toEqual([]);
  });

  it('is left alone while one large frame comes byte by byte, without a pong, and the frame is delivered', async () => {
    const app = await start(BEAT, { messageTimeoutMs: 60_000 });
    const client = await app.opened({ autoPong: false });
    const frame = encodeFrame({
      opcode: Opcode.text,
      payload: JSON.stringify({ event: 'echo', data: 'x'.repeat(5000) }),
    });
    const begun = performance.now();
    let sent = 0;
    // A byte at 0.8 of the interval: a whole second of silence would be allowed, the message alone is five intervals long.
    while (performance.now() - begun < 5 * BEAT.intervalMs) {
      client.sendRaw(frame.subarray(sent, ++sent));
      await passed(0.8 * BEAT.intervalMs);
    }
    client.sendRaw(frame.subarray(sent));
    await until(() => client.messages.length === 1);
    expect(client.json).toEqual([{ event: 'echo', data: 'x'.repeat(5000) }]);
    expect(closedCodes(app)).toEqual([]);
  });

  it('is pinged at the usual pace, also while the server keeps sending to it', async () => {
    const app = await start();
    const client = await app.opened();
    keepSending(app);
    const begun = performance.now();
    await until(() => client.pings.length === 5, { timeoutMs: 10_000 });
    expect(performance.now() - begun).toBeLessThan(5 * BEAT.intervalMs + 1000);
    expect(app.connections.count).toBe(1);
  });

  it('gets its pings also while bytes wait for it, and outlives a pause in reading that is shorter than the deadline', async () => {
    const app = await start(beat(1000, 800));
    const client = await app.opened();
    await until(() => socketsOf(app).length === 1);
    const [socket] = socketsOf(app);
    // Right after a ping the next one is far enough for all that follows.
    await until(() => client.pings.length > 0);
    client.pause();
    // Bytes in the kernel do not wait in this process: enough to be waiting, less than a backpressure limit would allow.
    await until(() => {
      if (socket!.bufferedAmount < 300_000) socket!.send(Buffer.alloc(128 * 1024));
      return socket!.bufferedAmount >= 300_000;
    });
    const sent = socket!.tracked!.messagesOut;
    const [pingsBefore, events] = [client.pings.length, app.recordEvents()];
    await until(() => events.some(({ type }) => type === 'ping'));
    expect(socket!.bufferedAmount).toBeGreaterThanOrEqual(300_000);
    client.resume();
    await until(() => client.messages.length === sent && client.pings.length > pingsBefore);
    await until(() => events.some(({ type }) => type === 'pong'));
    // The ping that went out while bytes were waiting is the one that was answered.
    expect(events.map(({ type }) => type)).toEqual(['ping', 'pong']);
    expect(app.connections.count).toBe(1);
  });
});

describe('A connection that the app has paused', () => {
  it('is not judged until it is read again, then it is', async () => {
    const app = await start();
    const healthy = await app.opened();
    const silent = await app.opened();
    await until(() => socketsOf(app).length === 2);
    for (const socket of socketsOf(app)) socket.pause();
    silent.silent();
    await passed(1.5 * BOUND_MS);
    expect(app.connections.count).toBe(2);
    for (const socket of socketsOf(app)) socket.resume();
    const machineMs = watchMachine();
    const readSince = performance.now();
    const { at } = await endOf(silent);
    expect(at - readSince).toBeLessThanOrEqual(BOUND_MS + machineMs());
    expect(closedCodes(app)).toEqual([4000]);
    const pings = healthy.pings.length;
    await until(() => healthy.pings.length >= pings + 2, { timeoutMs: 3 * BEAT.intervalMs });
    expect(app.connections.count).toBe(1);
  });
});

describe('A connection that is not read, since all the handlers that it may have wait for its end', () => {
  it.each<[string, (client: RawClient) => void]>([
    ['has gone', client => client.destroy()],
    ['was reset', client => client.reset()],
  ])('leaves the registry within two intervals when its client %s, and its handlers end', async (_what, go) => {
    const app = await TestApp.start({ gateways: [WaitingGateway], options: { heartbeat: BEAT } });
    const gateway = app.app.get(WaitingGateway);
    const client = await app.opened();
    for (let count = 0; count < 65; count++) client.sendEvent('wait');
    await until(() => gateway.running === 64);
    // More than Node reads ahead from a paused socket, so that nothing reports the end.
    client.sendEvent('wait', 'x'.repeat(60_000));
    client.sendEvent('wait', 'x'.repeat(60_000));
    await until(() => client.socket.writableLength === 0);
    await passed(BEAT.intervalMs);
    expect([app.connections.count, gateway.running, client.pings]).toEqual([1, 64, []]);
    const goneSince = performance.now();
    go(client);
    await until(() => app.connections.count === 0 && gateway.running === 0, { timeoutMs: 2 * BOUND_MS });
    expect(performance.now() - goneSince).toBeLessThanOrEqual(2 * BEAT.intervalMs + 1000);
    expect(closedCodes(app)).toEqual([1006]);
  });

  it('is called with pongs, which accumulate nowhere, and continues where it was when it is read again', async () => {
    const app = await start();
    const client = await app.opened();
    await until(() => socketsOf(app).length === 1);
    const [socket] = socketsOf(app);
    socket!.pause();
    client.sendEvent('echo', 1);
    await until(() => client.pongs.length === 3, { timeoutMs: 6 * BEAT.intervalMs });
    expect([client.pings, client.messages]).toEqual([[], []]);
    socket!.resume();
    await until(() => client.messages.length === 1 && client.pings.length === 2, { timeoutMs: 6 * BEAT.intervalMs });
    expect([client.pongs.length, closedCodes(app)]).toEqual([3, []]);
  });
});

describe('A client that sends more often than the interval', () => {
  const INTERVAL_MS = 1000;

  /** Returns the number of pings that such a client has got since. */
  async function openBusyClient(skipWhenActive: boolean): Promise<() => number> {
    const app = await start({ ...beat(INTERVAL_MS, 300), skipWhenActive });
    const client = await app.opened();
    client.sendEvent('echo', 0);
    await until(() => client.messages.length === 1);
    const pingsBefore = client.pings.length;
    const timer = setInterval(() => client.sendEvent('echo', 1), 0.3 * INTERVAL_MS);
    app.onClose(() => clearInterval(timer));
    return () => client.pings.length - pingsBefore;
  }

  it('is never pinged', async () => {
    const pings = await openBusyClient(true);
    await passed(4 * INTERVAL_MS);
    expect(pings()).toBe(0);
  });

  it('is pinged every interval when skipWhenActive is false', async () => {
    const pings = await openBusyClient(false);
    const wait = { timeoutMs: 4 * INTERVAL_MS, message: () => `3 pings; there were ${pings()}` };
    expect(await until(() => pings() >= 3, wait)).toBe(true);
  });
});
