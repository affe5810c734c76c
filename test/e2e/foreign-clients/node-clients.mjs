/**
 * A process with one client of each library for each case: `node-clients.mjs <port> <least|most> <speed> <case,…>`. Their timers run `speed`
 * times as fast, and their random numbers are all the least or all the greatest.
 */
const [port, draw, speed, cases] = process.argv.slice(2);
const start = globalThis.setTimeout;
globalThis.setTimeout = (run, ms = 0, ...rest) => start(run, ms / speed, ...rest);
Math.random = () => (draw === 'least' ? 0 : 1 - 2 ** -20);

// Libraries keep the functions that they find when they are loaded.
const { default: PartySocket } = await import('partysocket/ws');
const { default: Reconnecting } = await import('reconnecting-websocket');
const { createClient } = await import('graphql-ws');
const { io } = await import('socket.io-client');
const { Centrifuge } = await import('centrifuge');
const { Socket } = await import('phoenix');
const { HttpTransportType, HubConnectionBuilder, LogLevel } = await import('@microsoft/signalr');
const { WebSocket } = await import('ws');

const ignore = () => {};
const host = `127.0.0.1:${port}`;

/** Their 4 s, in spite of the speed. */
const connectionTimeout = 4000 * speed;

/** Each library as its README connects. Once it is connected it sends a message with `ready` in it. */
const connect = {
  ws: url => opens(new WebSocket(url)),
  partysocket: url => opens(new PartySocket(url, [], { WebSocket, connectionTimeout })),
  'reconnecting-websocket': url => opens(new Reconnecting(url, [], { WebSocket, connectionTimeout })),
  'graphql-ws': url =>
    createClient({ url, webSocketImpl: WebSocket }).subscribe(
      { query: 'subscription { ready }' },
      { next: ignore, error: ignore, complete: ignore },
    ),
  'socket.io-client': (_url, path) => {
    const socket = io(`ws://${host}`, { path, transports: ['websocket'], forceNew: true });
    socket.on('connect', () => socket.emit('ready'));
  },
  centrifuge: url => {
    const client = new Centrifuge(url, { websocket: WebSocket }).on('error', ignore);
    client.on('connected', () => void client.send('ready').catch(ignore)).connect();
  },
  phoenix: url => {
    const socket = new Socket(url, { transport: WebSocket });
    socket.onOpen(() => socket.push({ topic: 'ready', event: 'ready', payload: {} }));
    socket.connect();
  },
  '@microsoft/signalr': (_url, path) => {
    const hub = new HubConnectionBuilder()
      .withUrl(`http://${host}${path}`, { skipNegotiation: true, transport: HttpTransportType.WebSockets })
      .withAutomaticReconnect()
      .configureLogging(LogLevel.None)
      .build();
    hub.start().then(() => hub.send('ready'), ignore);
  },
};

function opens(socket) {
  socket.addEventListener('error', ignore);
  socket.addEventListener('open', () => socket.send('ready'));
}

for (const name of cases.split(',')) {
  for (const [client, open] of Object.entries(connect)) {
    const path = `/${draw}/${name}/${encodeURIComponent(client)}`;
    open(`ws://${host}${path}`, path);
  }
}
// Without a connection and without a timer of a library the process would end.
start(ignore, 2 ** 31 - 1);
