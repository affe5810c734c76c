import type { Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';

import { ignoreError, stopIgnoringErrors, type Upgrade } from './upgrade.js';

/** Header fields that only the upgrade needs. */
const OF_THE_UPGRADE = new Set(['upgrade', 'http2-settings']);

/**
 * Answers a request as if it had no `Upgrade` header, like a server that ignores the upgrade (RFC 9110, section 7.8). Node has already
 * removed its parser from the socket. So the request head is written again without the header, put back before the bytes that followed, and
 * the socket starts as a new HTTP connection. Body, pipelined requests and keep-alive work as usual.
 *
 * A pending response to an earlier request of the same connection is awaited first, since a new parser does not know it.
 */
export function answerAsPlainRequest(server: Server, upgrade: Upgrade): void {
  const { socket } = upgrade;
  const response = responseUnderWay(socket);
  // If another response follows, Node assigns it the socket before this listener is called.
  if (response) response.once('close', () => answerAsPlainRequest(server, upgrade));
  if (response || socket.destroyed || socket.writableEnded) {
    // Nothing else handles the errors of the socket meanwhile, or of one that has ended and may still be reset.
    if (!socket.listeners('error').includes(ignoreError)) socket.on('error', ignoreError);
    return;
  }
  stopIgnoringErrors(socket);
  socket.unshift(Buffer.concat([headOf(upgrade), upgrade.head]));
  // The old parser may have set the timeout of an idle connection.
  if (socket instanceof Socket) socket.setTimeout(server.timeout);
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket);
}

/** Node has no public name for the response that a socket currently writes. Without the field, no response is awaited. */
export function responseUnderWay(socket: Duplex): ServerResponse | null {
  const { _httpMessage: response } = socket as { readonly _httpMessage?: ServerResponse | null };
  return response ?? null;
}

/** The request head (RFC 9112, section 3) without the upgrade. Header fields keep their order and their bytes. */
function headOf({ request }: Upgrade): Buffer {
  const { method, url, httpVersion, rawHeaders } = request;
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    const value = valueWithoutUpgrade(name.toLowerCase(), rawHeaders[index + 1]!);
    if (value !== '' || rawHeaders[index + 1] === '') head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

/** An empty text if no option remains. */
function valueWithoutUpgrade(name: string, value: string): string {
  if (OF_THE_UPGRADE.has(name)) return '';
  if (name !== 'connection') return value;
  const options = value.split(',').map(option => option.trim());
  return options.filter(option => option !== '' && !OF_THE_UPGRADE.has(option.toLowerCase())).join(', ');
}
