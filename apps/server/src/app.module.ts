import { type DynamicModule, Module } from '@nestjs/common';
import { HeartbeatModule } from 'nestjs-heartbeat';

import { createEchoGateway } from './echo.gateway.js';
import type { Settings } from './environment.js';

@Module({})
export class AppModule {
  static with({ wsPath, options }: Pick<Settings, 'wsPath' | 'options'>): DynamicModule {
    return {
      module: AppModule,
      imports: [HeartbeatModule.forRoot(options)],
      providers: [createEchoGateway(wsPath)],
    };
  }
}
