import { createRequire } from 'node:module';

import type { WebSocketServer } from 'ws';

import { HeartbeatError } from '../../base/heartbeat.error.js';

/** `useServer` of graphql-ws, as far as it is called here. */
type UseServer = (options: object, server: WebSocketServer, keepAliveMs: number) => unknown;

const require = createRequire(import.meta.url);

/**
 * The path of `@nestjs/graphql`, an optional peer. Loaded on demand: a static import of a missing package would fail before any message.
 * @throws HeartbeatError `HEARTBEAT_GRAPHQL_MISSING` that names what to install.
 */
export function nestGraphqlPath(resolve: (name: string) => string = name => require.resolve(name)): string {
  try {
    return resolve('@nestjs/graphql');
  } catch (error) {
    const remedy = 'npm install @nestjs/graphql graphql, and a driver such as @nestjs/apollo';
    const text = `nestjs-heartbeat/graphql needs the package @nestjs/graphql, which is not installed: ${remedy}`;
    throw new HeartbeatError('HEARTBEAT_GRAPHQL_MISSING', `${text} (${String(error).split('\n', 1)[0]})`);
  }
}

/** `useServer` of the graphql-ws that `@nestjs/graphql` itself uses. */
export function graphqlWs(): UseServer {
  const { useServer } = createRequire(nestGraphqlPath())('graphql-ws/use/ws') as { readonly useServer: UseServer };
  return useServer;
}
