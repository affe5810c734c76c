import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';

/** An HTTP response. */
export interface PollingAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A client of engine.io's HTTP polling that does what a test says, and nothing by itself. */
export class PollingClient {
  readonly #agent = new Agent({ keepAlive: true });
  #sid = '';

  constructor(
    private readonly port: number,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** Opens a session. Resolves with what the server announces. Rejects for a refusal. */
  async open(
    query = '',
  ): Promise<{ readonly sid: string; readonly pingInterval: number; readonly pingTimeout: number }> {
    const { status, body } = await this.ask('GET', query);
    if (status !== 200) throw new Error(`the handshake was answered ${status}: ${body}`);
    const opened = JSON.parse(body.slice(1)) as { sid: string; pingInterval: number; pingTimeout: number };
    this.#sid = opened.sid;
    return opened;
  }

  /** Fetches the next packets. */
  async poll(): Promise<string> {
    return (await this.ask('GET', `&sid=${this.#sid}`)).body;
  }

  /** Sends packets. */
  async post(packets: string): Promise<PollingAnswer> {
    return this.ask('POST', `&sid=${this.#sid}`, packets);
  }

  /** One request. */
  async ask(method: string, query = '', body?: string): Promise<PollingAnswer> {
    const response = await this.#responseTo(method, query, body);
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  }

  /** A server may end an idle connection while a request is on its way: then the request is sent again, as browsers do. */
  async #responseTo(method: string, query: string, body?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const path = `/socket.io/?EIO=4&transport=polling${query}`;
      const { port, headers } = this;
      const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: this.#agent }, resolve);
      request
        .on('error', (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ECONNRESET' || !request.reusedSocket) return reject(error);
          resolve(this.#responseTo(method, query, body));
        })
        .end(body);
    });
  }

  /** Ends its network connections. */
  destroy(): void {
    this.#agent.destroy();
  }
}
