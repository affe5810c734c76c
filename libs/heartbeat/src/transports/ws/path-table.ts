import type { IncomingMessage } from 'node:http';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import { pathOf, type PathServer } from './path-server.js';

/** Characters that need no percent-encoding (RFC 3986, section 2.3). */
const UNRESERVED = /[\w.~-]/;

/** The servers of one port by path. */
export class PathTable {
  readonly #servers = new Map<string, PathServer>();
  /** The server of a gateway without a path. */
  #ofEveryPath: PathServer | undefined;

  /** The server of exactly this path; the server of every path where `path` is null. */
  get(path: string | null): PathServer | undefined {
    return path === null ? this.#ofEveryPath : this.#servers.get(path);
  }

  add(server: PathServer): void {
    if (server.servesEveryPath) this.#ofEveryPath = server;
    else this.#servers.set(server.path, server);
  }

  /** The server of a request. Every spelling of a gateway's path matches, with or without a trailing slash. */
  find(request: IncomingMessage): PathServer | undefined {
    const path = pathOf(request);
    return this.#servers.get(path) ?? this.#find(path) ?? this.#ofEveryPath;
  }

  #find(path: string): PathServer | undefined {
    // Node decodes a request line as Latin-1, but a client that does not percent-encode sends UTF-8.
    const canonical = canonicalPath(Buffer.from(path, 'latin1').toString());
    const served = canonical === null ? undefined : this.#servers.get(withoutSlash(canonical));
    return served && (served.path === canonical || served.takesSlash) ? served : undefined;
  }
}

/**
 * A path in the form of the table: one leading slash and no trailing slash, as Nest writes paths, and percent-encoded, as clients send it.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a path that no request can have.
 */
export function gatewayPath(path: unknown): string {
  const refuse = (fault: string): never => {
    const problem = `The path ${JSON.stringify(String(path))} of a gateway ${fault}`;
    throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `${problem}: no request would ever reach it.`);
  };
  if (typeof path !== 'string') return refuse('is not a text, such as "/chat"');
  if (/[?#]/.test(path)) return refuse('has a query or a fragment, which is not part of a path');
  if (/\p{Surrogate}/u.test(path)) return refuse('is not well-formed Unicode');
  const canonical = canonicalPath(`/${path}`.replace(/\/+/g, '/'));
  return canonical === null ? refuse('cannot be the path of a URL') : withoutSlash(canonical);
}

/** One spelling for all equivalent paths (RFC 3986, section 6.2.2). Returns null for a text that is not a path. */
function canonicalPath(path: string): string | null {
  const url = `http://localhost${path}`;
  if (!path.startsWith('/') || !URL.canParse(url)) return null;
  return new URL(url).pathname.replace(/%[\da-f]{2}/gi, code => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return UNRESERVED.test(character) ? character : code.toUpperCase();
  });
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/$/, '');
}
