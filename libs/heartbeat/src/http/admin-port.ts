import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { PROBLEM_JSON, problemOf } from '../base/problem.js';
import { HTTP_SETTINGS, type HttpSettings } from './http-settings.js';
import { areaOf } from './own-routes.js';
import { OwnRouting } from './own-routing.js';
import { rawPath } from './raw-request.js';

/**
 * The port of the extra `adminPort`: an HTTP server that passes requests for the library's routes to the application and refuses all
 * others, including upgrades. It opens at the bootstrap and closes last, so that it answers probes until the end of a drain.
 */
@Injectable()
export class AdminPort implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  readonly #arrived = new WeakSet<IncomingMessage>();
  #server: Server | null = null;

  constructor(
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
    private readonly adapterHost: HttpAdapterHost,
    private readonly routing: OwnRouting,
  ) {}

  /** The address of the port; null without one, and before the bootstrap. */
  get address(): AddressInfo | null {
    return (this.#server?.address() ?? null) as AddressInfo | null;
  }

  /** @throws HeartbeatError `HEARTBEAT_PORT_UNAVAILABLE` (as a rejection), which fails the start. */
  async onApplicationBootstrap(): Promise<void> {
    const { adminPort } = this.settings;
    const application = this.adapterHost.httpAdapter?.getHttpServer() as Server | undefined;
    if (adminPort === null || application === undefined) return;
    const { port, host } = adminPort;
    const server = createServer((request, response) => this.#dispatch(application, request, response));
    try {
      await once(server.listen({ port, ...(host !== undefined && { host }) }), 'listening');
    } catch (error) {
      const detail = `the admin port ${port} cannot be opened (${String(error)}): free it, or choose another adminPort`;
      throw new HeartbeatError('HEARTBEAT_PORT_UNAVAILABLE', detail);
    }
    this.#server = server;
    this.#logger.log(`admin API, metrics and health listen on port ${this.address?.port}`);
  }

  async onApplicationShutdown(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    this.#server = null;
  }

  /**
   * Whether one of the library's controllers serves a request on the port at which it arrived.
   * @internal
   */
  serves(request: IncomingMessage, controller: object): boolean {
    const { adminPort } = this.settings;
    if (adminPort === null || adminPort.beside || areaOf(controller) === 'health') return true;
    return this.#arrived.has(request);
  }

  /** Whether a request arrived on this port, for a middleware of the application that restricts a path to it. */
  hasReceived(request: IncomingMessage): boolean {
    return this.#arrived.has(request);
  }

  #dispatch(application: Server, request: IncomingMessage, response: ServerResponse): void {
    const path = rawPath(request);
    if (this.routing.find(path) === null && !this.#isAlso(path)) return refuse(response);
    this.#arrived.add(request);
    application.emit('request', request, response);
  }

  #isAlso(path: string): boolean {
    const { also = [] } = this.settings.adminPort ?? {};
    return also.some(base => path === base || path.startsWith(`${base}/`));
  }
}

function refuse(response: ServerResponse): void {
  const problem = problemOf('not-found', 404, 'This port serves admin API, metrics and health only.');
  response.writeHead(404, { 'Content-Type': PROBLEM_JSON, 'Cache-Control': 'no-store' }).end(JSON.stringify(problem));
}
