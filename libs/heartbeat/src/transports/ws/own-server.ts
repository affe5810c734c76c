import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** Interval at which Node checks for connections whose request is late, in milliseconds. */
const CHECK_MS = 1000;

/** Creates the HTTP server of a gateway's own port. It serves WebSockets only, so the time limit of a handshake applies to any request. */
export function createOwnServer(timeoutMs: number): Server {
  const options = { headersTimeout: timeoutMs, requestTimeout: timeoutMs, connectionsCheckingInterval: CHECK_MS };
  return createServer(options, answerPlainRequest);
}

function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, { Connection: 'Upgrade', Upgrade: 'websocket', 'Content-Type': 'text/plain' })
    .end('Upgrade Required');
}
