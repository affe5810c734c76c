import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** The response of Fastify, which wraps that of Node. Its headers are sent by Fastify only. */
interface FastifyResponse {
  readonly raw: ServerResponse;
  getHeaders(): Readonly<Record<string, number | string | string[] | undefined>>;
  hijack(): unknown;
}

/**
 * Begins a response that the library writes itself, on either platform, with the headers that middleware and hooks have set. The socket
 * closes after it.
 */
export function beginResponse(response: object, headers: OutgoingHttpHeaders): ServerResponse {
  const raw = isFastify(response) ? takenFrom(response) : (response as ServerResponse);
  raw.shouldKeepAlive = false;
  raw.writeHead(200, headers);
  raw.flushHeaders();
  return raw;
}

function isFastify(response: object): response is FastifyResponse {
  return 'raw' in response && 'hijack' in response;
}

function takenFrom(response: FastifyResponse): ServerResponse {
  for (const [name, value] of Object.entries(response.getHeaders())) {
    if (value !== undefined) response.raw.setHeader(name, value);
  }
  response.hijack();
  return response.raw;
}
