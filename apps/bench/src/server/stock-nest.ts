import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import type { BenchServer, ServerOrder } from './bench-server.js';
import { EchoGateway, RecipeGateway } from './echo.gateway.js';
import { Recipe } from './recipe.js';
import { spreadCloses } from './spread-closes.js';

@Module({ providers: [EchoGateway] })
class PlainModule {}

@Module({ providers: [RecipeGateway] })
class RecipeModule {}

/** Nest with its own adapter. */
export async function startStockNest({ name, intervalMs, drainSpreadMs }: ServerOrder): Promise<BenchServer> {
  const withRecipe = name === 'nest-recipe';
  const app = await NestFactory.create(withRecipe ? RecipeModule : PlainModule, {
    logger: ['error'],
    abortOnError: false,
  });
  app.useWebSocketAdapter(new WsAdapter(app));
  const http = (await app.listen(0, '127.0.0.1')) as Server;
  const gateway = withRecipe ? app.get(RecipeGateway) : app.get(EchoGateway);
  const { server } = gateway;
  if (server === undefined) throw new Error('Nest gave the gateway no server');
  const recipe = gateway instanceof RecipeGateway ? (gateway.recipe = new Recipe(server, intervalMs)) : null;
  return {
    port: (http.address() as AddressInfo).port,
    broadcast(text) {
      for (const socket of server.clients) socket.send(text);
    },
    drain: () => spreadCloses(server, drainSpreadMs),
    ...(recipe && { beat: on => recipe.beat(on) }),
  };
}
