/**
 * Clients of Socket.IO in a process of their own. It prints `ready` when all have joined, and `lost <reason>` for each that loses its
 * connection. `TARGET` is the server's address, `COUNT` the number of clients, `TRANSPORT` their only transport.
 */
import { io } from 'socket.io-client';

const { TARGET = '', COUNT = '1', TRANSPORT = 'websocket' } = process.env;
let joined = 0;
for (let made = 0; made < Number(COUNT); made++) {
  const client = io(TARGET, { transports: [TRANSPORT], forceNew: true, reconnection: false });
  client.on('connect', () => {
    if (++joined === Number(COUNT)) console.log('ready');
  });
  client.on('connect_error', error => console.log(`refused ${error.message}`));
  client.on('disconnect', reason => console.log(`lost ${reason}`));
}
