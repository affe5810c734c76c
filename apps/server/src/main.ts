import 'reflect-metadata';

import cluster from 'node:cluster';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isatty } from 'node:tty';

import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AdminPort, HeartbeatError, HeartbeatWsAdapter } from 'nestjs-heartbeat';

import { withoutHiddenToken } from './admin-tokens.js';
import { AppModule } from './app.module.js';
import { keepDocsToAdminPort } from './docs-port.js';
import { EnvironmentError, readEnvironment, type Settings } from './environment.js';
import { exposureOf } from './exposure.js';
import { greeting } from './greeting.js';
import { assertCanListen, ListenError } from './listen-failure.js';
import { serveDocs } from './openapi.js';
import { secureResponses } from './response-headers.js';
import { takeSnapshotsBySignal } from './snapshot-signal.js';
import { superviseWorkers } from './workers.js';

async function start(): Promise<void> {
  const settings = withoutHiddenToken(readEnvironment(process.env), isatty(1));
  if (cluster.isPrimary) {
    for (const warning of exposureOf(settings)) createLogger(settings).warn(warning, 'Server');
    await assertCanListen(settings.host, settings.port);
    if (settings.adminPort !== null) await assertCanListen(settings.host, settings.adminPort, 'ADMIN_PORT');
  }
  if (cluster.isWorker || settings.workers === 1) return serve(settings);
  const status = await superviseWorkers({
    count: settings.workers,
    logger: createLogger(settings),
    listeners: settings.adminPort === null ? 1 : 2,
    listening: ([bound, admin]) => greet(bound, admin ?? null, settings),
  });
  process.exit(status);
}

async function serve(settings: Settings): Promise<void> {
  const app = await NestFactory.create(AppModule.with(settings), {
    logger: createLogger(settings),
    abortOnError: false,
  });
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  // By name, because by default Nest would take SIGUSR2 too; and by exit, because a signal to itself does not end PID 1.
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  secureResponses(app);
  if (settings.adminPort !== null) keepDocsToAdminPort(app);
  serveDocs(app);
  takeSnapshotsBySignal(app);
  const server = (await app.listen(settings.port, settings.host)) as Server;
  if (cluster.isPrimary) greet(server.address() as AddressInfo, app.get(AdminPort).address, settings);
}

/** In text each line of a worker begins with its name; in JSON it has its pid. */
function createLogger({ logFormat, logLevel }: Settings): ConsoleLogger {
  return new ConsoleLogger({
    json: logFormat === 'json',
    logLevels: [logLevel],
    colors: logFormat === 'text' && isatty(1) && !process.env['NO_COLOR'],
    ...(cluster.isWorker && { prefix: `worker ${cluster.worker?.id}` }),
  });
}

/** Not through the logger: a level above `log` must not hide a token from its terminal. */
function greet(bound: AddressInfo, admin: AddressInfo | null, settings: Settings): void {
  process.stdout.write(greeting(bound, settings, admin));
}

// A log whose reader has ended must not end the server, as EPIPE would.
for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);

try {
  await start();
} catch (error) {
  // An error that the operator can correct is printed as its message, any other with its stack.
  const isUserError = [EnvironmentError, ListenError, HeartbeatError].some(known => error instanceof known);
  console.error(isUserError ? (error as Error).message : error);
  process.exit(1);
}
