// Measures: deadlines.
/** The promises of liveness for Socket.IO, over WebSocket and over HTTP polling. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { WebSocketGateway } from '@nestjs/websockets';
import { WebSocket } from 'ws';
import { passed, until, watchMachine } from '../support/assert/until.js';
import { DelayingProxy } from '../support/faults/delaying-proxy.js';
import { beat, boundOf } from '../support/servers/app.js';
import { PollingClient } from '../support/clients/polling-client.js';
import { IoApp } from '../support/servers/io-app.js';

const BEAT = beat(600, 300);
/** 600 + 2 × 300 + 1000 ms. */
const BOUND_MS = boundOf(BEAT);
/** The same interval in force; clients are told a longer one, so that only the server can find a stalled peer dead. */
const PATIENT = { ...BEAT, maxIntervalMs: 8000, adaptive: false };

@WebSocketGateway()
class PlainGateway {}

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await IoApp.closeAll();
});

async function start(heartbeat: object = BEAT): Promise<IoApp> {
  return IoApp.start({ gateways: [PlainGateway], options: { heartbeat } });
}

/** Clients in a process of their own, and what they print from now on. */
async function clientsOf(port: number, transport: string, count: number) {
  const child = spawn(process.execPath, ['--import', './test/support/run-typescript.mjs', 'test/e2e/io-clients.ts'], {
    env: { ...process.env, TARGET: `http://127.0.0.1:${port}`, COUNT: String(count), TRANSPORT: transport },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', line => lines.push(line));
  await until(() => lines.includes('ready'), { timeoutMs: 20_000, message: () => `clients: ${lines.join(', ')}` });
  return { child, lines };
}

/** Blocks the event loop of the server, without the time of a processor. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const codesOf = (app: IoApp) => app.connections.closedHistory().map(({ code, closedBy }) => [code, closedBy]);

/** Waits until no connection is left, and checks the time. */
async function expectEndWithin(app: IoApp, since: number, boundMs: number): Promise<void> {
  const machineMs = watchMachine();
  await until(() => app.connections.count === 0, { timeoutMs: 3 * boundMs });
  expect(performance.now() - since).toBeLessThanOrEqual(boundMs + machineMs());
}

describe('A client that is silent', () => {
  it('is destroyed over WebSocket, though the server keeps sending to it', async () => {
    const app = await start();
    const client = new WebSocket(`ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket`);
    app.onClose(() => client.terminate());
    await once(client, 'open');
    client.send('40');
    await until(() => app.connections.count === 1);
    const since = performance.now();
    const timer = setInterval(() => app.connections.broadcast('tick'), 50);
    app.onClose(() => clearInterval(timer));
    await expectEndWithin(app, since, BOUND_MS);
    expect(codesOf(app)).toEqual([[4000, 'server']]);
  });

  it('is destroyed over polling, whether or not a request of it waits', async () => {
    const app = await start();
    const [polling, gone] = [new PollingClient(app.port), new PollingClient(app.port)];
    app.onClose(() => [polling, gone].forEach(client => client.destroy()));
    for (const client of [polling, gone]) {
      await client.open();
      await client.post('40');
    }
    const since = performance.now();
    const poll = polling.poll().catch(() => '');
    await expectEndWithin(app, since, BOUND_MS);
    expect(codesOf(app)).toEqual([
      [4000, 'server'],
      [4000, 'server'],
    ]);
    await poll;
  });
});

describe.each(['websocket', 'polling'])('Over %s', transport => {
  it('a stopped client process is found in time', async () => {
    const app = await start();
    const { child } = await clientsOf(app.port, transport, 5);
    await until(() => app.connections.find({}).every(({ rttMs }) => rttMs !== null));
    child.kill('SIGSTOP');
    await expectEndWithin(app, performance.now(), BOUND_MS);
    expect(codesOf(app)).toEqual(Array.from({ length: 5 }, () => [4000, 'server']));
  });

  it('a client behind a black hole is found in time', async () => {
    const app = await start();
    const proxy = await DelayingProxy.start({ targetPort: app.port, delayMs: 5 });
    app.onClose(() => proxy.close());
    await clientsOf(proxy.port, transport, 3);
    await until(() => app.connections.find({}).every(({ rttMs }) => rttMs !== null));
    proxy.blackHole();
    await expectEndWithin(app, performance.now(), BOUND_MS);
    expect(codesOf(app)).toEqual(Array.from({ length: 3 }, () => [4000, 'server']));
  });

  it('no healthy client is lost to a server that stalls, again and again', async () => {
    const app = await start(PATIENT);
    const proxy = await DelayingProxy.start({ targetPort: app.port, delayMs: 20 });
    app.onClose(() => proxy.close());
    const { lines } = await clientsOf(proxy.port, transport, 40);
    for (let times = 0; times < 3; times++) {
      // Some pings are in flight at any time.
      await passed(400);
      stall(2500);
    }
    await passed(2 * BOUND_MS);
    expect([app.connections.count, codesOf(app), lines]).toEqual([40, [], ['ready']]);
  });

  it('a healthy client is pinged whatever it sends, and never lost', async () => {
    const app = await start();
    const events = app.recordEvents();
    const client = await app.connected({ transports: [transport] });
    const timer = setInterval(() => client.emit('talk'), 100);
    app.onClose(() => clearInterval(timer));
    await until(() => events.filter(({ type }) => type === 'pong').length >= 4, { timeoutMs: 10_000 });
    expect(client.connected).toBe(true);
    const pings = events.filter(({ type }) => type === 'ping').length;
    expect(pings).toBeGreaterThanOrEqual(4);
  });
});

it('announces the interval and the timeout that its rules have', async () => {
  const app = await start(PATIENT);
  const client = new PollingClient(app.port);
  app.onClose(() => client.destroy());
  const opened = await client.open();
  expect(opened).toMatchObject({ pingInterval: 8000, pingTimeout: 600, maxPayload: 65_536 });
});
