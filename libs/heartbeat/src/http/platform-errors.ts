import type { IncomingMessage, Server } from 'node:http';

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { problemOf } from '../base/problem.js';
import { detachBody } from './json-body.js';
import { OwnRouting } from './own-routing.js';
import { notFound, ProblemException } from './problem.exception.js';
import { Problems } from './problems.js';
import { rawPath, rawRequest } from './raw-request.js';

type NotFoundHandler = (request: object, response: object, next?: unknown) => unknown;
type ErrorHandler = (error: unknown, request: object, response: object, next?: unknown) => unknown;

/**
 * Answers errors before a controller of the library (an unknown route, a wrong method, an error of the platform) as problem details, and
 * hides bodies for the library's routes from the application's parsers. Requests for paths of the application are not affected. Nest
 * installs its two last handlers after all routes, through these public methods of the adapter.
 */
@Injectable()
export class PlatformErrors implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly routing: OwnRouting,
    private readonly problems: Problems,
  ) {}

  onModuleInit(): void {
    // An application context has no adapter.
    const adapter = this.adapterHost.httpAdapter as typeof this.adapterHost.httpAdapter | undefined;
    if (!adapter) return;
    const setNotFound = adapter.setNotFoundHandler?.bind(adapter);
    adapter.setNotFoundHandler = (handler: NotFoundHandler, ...rest: [string?]) =>
      setNotFound?.(this.#aroundNotFound(handler), ...rest);
    const setError = adapter.setErrorHandler?.bind(adapter);
    adapter.setErrorHandler = (handler: ErrorHandler, ...rest: [string?]) =>
      setError?.(this.#aroundError(handler), ...rest);
    const server = adapter.getHttpServer() as Server | undefined;
    server?.prependListener?.('request', (request: IncomingMessage) => this.#prepare(request));
  }

  #prepare(request: IncomingMessage): void {
    const path = rawPath(request);
    const entry = this.routing.find(path);
    if (entry === null) return;
    if (entry.methods.includes(request.method ?? '')) detachBody(request);
    if (entry.area === 'admin') request.url = withShortSegments(request.url ?? '');
    // Fastify itself answers a path that cannot be decoded. An id with such bytes is unknown like any other.
    if (!isDecodable(rawPath(request)) && this.routing.ownsErrorsOf(path))
      request.url = request.url?.replaceAll('%', '%25');
  }

  #aroundNotFound(handler: NotFoundHandler): NotFoundHandler {
    return (request, response, next) => {
      if (!this.routing.ownsErrorsOf(rawPath(request))) return handler(request, response, next);
      return this.problems.answer(response, this.#wrongMethod(request) ?? noRoute());
    };
  }

  #aroundError(handler: ErrorHandler): ErrorHandler {
    // Express recognises an error handler by its four parameters.
    return (error, request, response, next) => {
      if (!this.routing.ownsErrorsOf(rawPath(request))) return handler(error, request, response, next);
      // A parser may have failed before the method was checked.
      return this.problems.answer(response, this.#wrongMethod(request) ?? this.problems.of(error));
    };
  }

  /** Returns null where the path has no route, or the method is valid for it. */
  #wrongMethod(request: object): ProblemException | null {
    const methods = this.routing.find(rawPath(request))?.methods ?? [];
    const { method = '' } = rawRequest(request);
    return methods.length === 0 || methods.includes(method) ? null : wrongMethod(methods);
  }
}

/** A longer text is no id. Fastify itself answers a long parameter, so the rest is cut; with a tilde it is still no id. */
function withShortSegments(url: string): string {
  const end = url.indexOf('?');
  const path = end === -1 ? url : url.slice(0, end);
  return path.replaceAll(/[^/]{301,}/g, segment => `${segment.slice(0, 60)}~`) + url.slice(path.length);
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function noRoute(): ProblemException {
  return notFound('There is no such route of the admin API.');
}

function wrongMethod(methods: readonly string[]): ProblemException {
  const allowed = methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  const problem = problemOf('method-not-allowed', 405, `This route takes ${allowed}.`);
  return new ProblemException(problem, { Allow: allowed });
}
