import { type DynamicModule, Module } from '@nestjs/common';
import { HeartbeatModule } from 'nestjs-heartbeat';

import { ClientTokens } from './client-tokens.js';
import { createEchoGateway } from './echo.gateway.js';
import type { Settings } from './environment.js';

@Module({})
export class AppModule {
  static with({ wsPath, options, clientTokens }: Pick<Settings, 'wsPath' | 'options' | 'clientTokens'>): DynamicModule {
    const tokens = clientTokens && new ClientTokens(clientTokens);
    return {
      module: AppModule,
      imports: [HeartbeatModule.forRoot({ ...options, ...(tokens && { authenticate: tokens.authenticate }) })],
      providers: [createEchoGateway(wsPath, tokens)],
    };
  }
}
