/**
 * One node of a cluster, as a process of its own: the library with three gateways. Clients say who they are in the address, as
 * `/ws?user=u1&team=red`. `POST /call` with `{ service, method, args }` calls a service of the library. The environment:
 *
 *   OPTIONS    the library's options, as JSON
 *   SENTINELS  ports of sentinels, by commas; the primary is called `heartbeat`
 *   CLUSTER    URLs of servers of a Redis Cluster, by commas
 */
import 'reflect-metadata';

import { createCluster, createSentinel } from '@redis/client';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  type Authentication,
  BanList,
  ClusterService,
  ConnectionService,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
  type RedisClientSource,
} from 'nestjs-heartbeat';
import type { IncomingMessage } from 'node:http';
import { NO_LOAD } from './no-load.js';

class Gateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }

  /** Answers so many bytes: for a client that does not read. */
  @SubscribeMessage('flood')
  flood(@MessageBody() bytes: number) {
    return { event: 'flood', data: 'x'.repeat(bytes) };
  }
}

@WebSocketGateway({ path: '/ws' })
class MainGateway extends Gateway {}

@WebSocketGateway({ path: '/other' })
class OtherGateway extends Gateway {}

/** Its application queries a service before it admits a client. */
@WebSocketGateway({
  path: '/asking',
  verifyClient: (_info: unknown, done: (isGood: boolean) => void) => void setTimeout(done, 100, true),
})
class AskingGateway extends Gateway {}

const SERVICES = { bans: BanList, cluster: ClusterService, connections: ConnectionService };

/** The called method and its arguments. */
interface Call {
  readonly service: keyof typeof SERVICES;
  readonly method: string;
  readonly args: readonly unknown[];
}

@Controller('call')
class CallController {
  constructor(private readonly modules: ModuleRef) {}

  @Post()
  async call(@Body() { service, method, args }: Call): Promise<{ result: unknown }> {
    const target: Record<string, (...words: readonly unknown[]) => unknown> = this.modules.get(SERVICES[service], {
      strict: false,
    });
    return { result: await target[method]?.(...args) };
  }
}

function authenticate({ url = '' }: IncomingMessage): Authentication {
  const query = new URL(url, 'ws://x').searchParams;
  const [userId, team] = [query.get('user'), query.get('team')];
  if (userId === null) return 'anonymous';
  return { userId, ...(team !== null && { labels: { team } }) };
}

/** The client for Sentinel or Cluster, where the environment names one. */
function clientOf({ SENTINELS, CLUSTER }: NodeJS.ProcessEnv): RedisClientSource | undefined {
  if (SENTINELS !== undefined) {
    const sentinelRootNodes = SENTINELS.split(',').map(port => ({ host: '127.0.0.1', port: Number(port) }));
    return createSentinel({ name: 'heartbeat', sentinelRootNodes });
  }
  if (CLUSTER !== undefined) return createCluster({ rootNodes: CLUSTER.split(',').map(url => ({ url })) });
  return undefined;
}

const options = JSON.parse(process.env['OPTIONS'] ?? '{}') as HeartbeatOptions;
const client = clientOf(process.env);

@Module({
  imports: [
    HeartbeatModule.forRoot({
      load: NO_LOAD,
      ...options,
      authenticate,
      cluster: { ...options.cluster, ...(client && { client }) },
    }),
  ],
  controllers: [CallController],
  providers: [MainGateway, OtherGateway, AskingGateway],
})
class NodeModule {}

const app = await NestFactory.create(NodeModule, { logger: ['error', 'warn', 'log'] });
app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
await app.listen(0, '127.0.0.1');
process.stdout.write(`listening at ${(await app.getUrl()).replace('[::1]', '127.0.0.1')}\n`);
