// Measures: memory.
/** Socket.IO's clients that connect and leave by the thousand, over both transports: nothing of them is left in the heap. */
import { afterEach, expect, it } from '@jest/globals';
import { ConnectedSocket, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import { queryObjects } from 'node:v8';
import { connectionOf } from 'nestjs-heartbeat/socket.io';
import type { Socket } from 'socket.io';
import { WebSocket } from 'ws';
import { Connection } from '../../libs/heartbeat/src/connection/connection.js';
import { EngineSocket } from '../../libs/heartbeat/src/transports/socket-io/engine-socket.js';
import { IoSession } from '../../libs/heartbeat/src/transports/socket-io/io-session.js';
import { PollingTraffic } from '../../libs/heartbeat/src/transports/socket-io/polling-traffic.js';
import { until } from '../support/assert/until.js';
import { fixedHeartbeat } from '../support/clients/heartbeat-watch.js';
import { PollingClient } from '../support/clients/polling-client.js';
import { IoApp } from '../support/servers/io-app.js';

@WebSocketGateway()
class GreetingGateway {
  handleConnection(socket: Socket): void {
    connectionOf(socket).defer(() => undefined);
    socket.emit('welcome', 'to the server');
  }

  @SubscribeMessage('leave')
  leave(@ConnectedSocket() socket: Socket): void {
    socket.disconnect(true);
  }
}

/** Clients of one round, of which a tenth polls. */
const ROUND = 2000;
const ROUNDS = 5;
const AT_ONCE = 50;

afterEach(() => IoApp.closeAll());

/** Connects a WebSocket to its namespace. */
async function joined({ port }: IoApp): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  await once(socket, 'open');
  // A server that ends a socket with unread bytes resets it.
  socket.on('error', () => undefined).send('40');
  await once(socket, 'message');
  return socket;
}

async function joinedByPolling({ port }: IoApp): Promise<PollingClient> {
  const client = new PollingClient(port);
  await client.open();
  await client.post('40');
  await client.poll();
  return client;
}

/** Opens so many, a few at a time: a busy machine would not answer all of them within `handshakeTimeoutMs`. */
async function opened<Client>(count: number, open: () => Promise<Client>): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count) clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, open))));
  return clients;
}

async function round(app: IoApp): Promise<void> {
  const [sockets, polling] = await Promise.all([
    opened(ROUND * 0.9, () => joined(app)),
    opened(ROUND * 0.1, () => joinedByPolling(app)),
  ]);
  expect(app.connections.count).toBe(ROUND);
  for (const [index, socket] of sockets.entries()) {
    // A third closes, a third disappears, a third is disconnected by the application.
    if (index % 3 === 0) socket.close();
    else if (index % 3 === 1) socket.terminate();
    else socket.send('42["leave"]');
  }
  await Promise.all(polling.map(client => client.post('1')));
  await until(() => app.connections.count === 0, { timeoutMs: 20_000 });
  for (const client of polling) client.destroy();
  for (const socket of sockets) socket.terminate();
}

/** Objects of a class in the heap; each call collects the whole heap. */
const left = (kind: Parameters<typeof queryObjects>[0]): number => queryObjects(kind, { format: 'count' });

it('leaves nothing in the heap', async () => {
  // Its polling clients answer no ping.
  const options = { closedHistory: 100, heartbeat: fixedHeartbeat(300_000) };
  const app = await IoApp.start({ gateways: [GreetingGateway], options });
  for (let rounds = 0; rounds < ROUNDS; rounds++) await round(app);
  // Nest and Socket.IO keep the last client of each namespace, without its connection.
  for (const kind of [IoSession, EngineSocket, PollingTraffic]) {
    const message = () => `all but ${left(kind)} objects of ${kind.name} to be collected`;
    await until(() => left(kind) <= 1, { timeoutMs: 30_000, message });
  }
  expect(left(Connection)).toBe(0);
}, 600_000);
