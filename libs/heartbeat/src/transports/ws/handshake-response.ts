import { type IncomingMessage, type OutgoingHttpHeader, ServerResponse } from 'node:http';

/** Header fields that belong to the answer itself, not to the application. */
const OF_THE_ANSWER = /^(?:connection|date|keep-alive|transfer-encoding|upgrade|content-.*|sec-websocket-.*)$/i;

/**
 * The response that guards and middleware of a handshake receive. It has no socket: status and body are not sent, and its headers join the
 * answer to the upgrade.
 */
export class HandshakeResponse extends ServerResponse {
  /** Resolves when the application ends the response by itself. */
  readonly ended: Promise<void>;
  #end!: () => void;

  constructor(request: IncomingMessage) {
    super(request);
    this.ended = new Promise(resolve => (this.#end = resolve));
    responses.set(request, this);
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    this.statusCode = status;
    const headers = rest.at(-1);
    if (typeof headers !== 'object' || headers === null) return this;
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value as string);
    return this;
  }

  override write(): boolean {
    return true;
  }

  override end(): this {
    this.#end();
    return this;
  }

  override flushHeaders(): void {}
}

const responses = new WeakMap<IncomingMessage, HandshakeResponse>();

/** The header fields that the application has set for the answer to this upgrade, with names in lower case. */
export function answerHeaders(request: IncomingMessage): readonly (readonly [name: string, value: string])[] {
  const response = responses.get(request);
  if (response === undefined) return [];
  const names = response.getHeaderNames().filter(name => !OF_THE_ANSWER.test(name));
  return names.flatMap(name => valuesOf(response.getHeader(name)).map(value => [name, value] as const));
}

function valuesOf(value: OutgoingHttpHeader | undefined): string[] {
  return Array.isArray(value) ? value : [String(value)];
}
