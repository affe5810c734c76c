import type { AddressInfo } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { BenchServer, ServerOrder } from './bench-server.js';
import { Recipe } from './recipe.js';
import { spreadCloses } from './spread-closes.js';
import { spreadPings } from './spread-pings.js';

/** `ws` by itself, with the same work on a message as a gateway does: parse, choose by event, answer. */
export async function startBareWs({ name, intervalMs, drainSpreadMs }: ServerOrder): Promise<BenchServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/ws' });
  const recipe = name === 'ws-recipe' ? new Recipe(server, intervalMs) : null;
  const spread = name === 'ws-spread' ? spreadPings(server, intervalMs) : null;
  server.on('connection', socket => {
    socket.on('error', () => {});
    socket.on('message', answer);
    recipe?.watch(socket);
  });
  await new Promise((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  return {
    port: (server.address() as AddressInfo).port,
    broadcast(text) {
      for (const socket of server.clients) socket.send(text);
    },
    drain: () => spreadCloses(server, drainSpreadMs),
    ...(recipe && { beat: on => recipe.beat(on) }),
    ...(spread && { beat: spread }),
  };
}

function answer(this: WebSocket, bytes: RawData): void {
  const { event, data } = JSON.parse((bytes as Buffer).toString()) as { event: string; data: unknown };
  if (event === 'echo') this.send(JSON.stringify({ event, data }));
}
