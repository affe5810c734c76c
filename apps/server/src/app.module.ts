import { type DynamicModule, Module } from '@nestjs/common';
import { type AdminPortOptions, ConnectionService, HeartbeatModule } from 'nestjs-heartbeat';

import { ClientTokens } from './client-tokens.js';
import { DOCS_PATHS } from './docs-port.js';
import { createEchoGateway } from './echo.gateway.js';
import type { Settings } from './environment.js';
import { OptionSources } from './option-sources.js';
import { LoopLag } from './loop-lag.js';
import { processMetrics } from './process-metrics.js';

type Needed = Pick<Settings, 'wsPath' | 'options' | 'clientTokens'> &
  Partial<Pick<Settings, 'host' | 'adminPort' | 'sources'>>;

@Module({})
export class AppModule {
  static with({
    wsPath,
    options,
    clientTokens,
    host = '127.0.0.1',
    adminPort = null,
    sources = {},
  }: Needed): DynamicModule {
    const tokens = clientTokens && new ClientTokens(clientTokens);
    const own: AdminPortOptions | null = adminPort === null ? null : { port: adminPort, host, also: DOCS_PATHS };
    const registry = processMetrics();
    const heartbeat = HeartbeatModule.forRoot({
      ...options,
      metrics: { ...options.metrics, registry },
      ...(tokens && { authenticate: tokens.authenticate }),
      ...(own && { adminPort: own }),
    });
    const loopLag = {
      provide: LoopLag,
      useFactory: (connections: ConnectionService) => new LoopLag(registry, () => connections.count === 0),
      inject: [ConnectionService],
    };
    return {
      module: AppModule,
      imports: [heartbeat, OptionSources.of(sources)],
      providers: [createEchoGateway(wsPath, tokens), loopLag],
    };
  }
}
