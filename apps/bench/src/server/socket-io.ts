import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import type { BenchServer, ServerOrder } from './bench-server.js';

/** Socket.IO with WebSockets only: its other transport is another game. */
export async function startSocketIo({ intervalMs }: ServerOrder): Promise<BenchServer> {
  const http = createServer();
  const io = new Server(http, {
    transports: ['websocket'],
    pingInterval: intervalMs,
    pingTimeout: intervalMs,
    serveClient: false,
  });
  io.on('connection', socket => {
    socket.on('echo', function echo(this: Socket, data: unknown) {
      socket.emit('echo', data);
    });
    socket.on('tell', () => {});
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (http.address() as AddressInfo).port,
    broadcast(text) {
      io.emit('news', JSON.parse(text));
    },
  };
}
