import 'reflect-metadata';

import cluster from 'node:cluster';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isatty } from 'node:tty';

import { ConsoleLogger, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AdminPort, ClusterService, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { resolveOptions, VERSION } from 'nestjs-heartbeat/tooling';

import { withoutHiddenToken } from './admin-tokens.js';
import { AppModule } from './app.module.js';
import { serveDocs } from './docs.js';
import { keepDocsToAdminPort } from './docs-port.js';
import { readEnvironment, type Settings } from './environment.js';
import { exposureOf } from './exposure.js';
import { greeting } from './greeting.js';
import { serveHomePage } from './home-page.js';
import { JsonLogger } from './json-logger.js';
import { assertCanListen } from './listen-failure.js';
import { secureResponses } from './response-headers.js';
import { takeSnapshotsBySignal } from './snapshot-signal.js';
import { reportFailure } from './start-failure.js';
import { superviseWorkers } from './workers.js';

async function start(): Promise<void> {
  const settings = withoutHiddenToken(readEnvironment(process.env), isatty(1));
  const { nodeName } = resolveOptions(settings.options).cluster;
  const logger = createLogger(settings, nodeName);
  if (cluster.isPrimary) {
    for (const warning of exposureOf(settings)) logger.warn(warning, 'Server');
    await assertCanListen(settings.host, settings.port);
    if (settings.adminPort !== null) await assertCanListen(settings.host, settings.adminPort, 'ADMIN_PORT');
  }
  if (cluster.isWorker || settings.workers === 1) return serve(settings, logger);
  const status = await superviseWorkers({
    count: settings.workers,
    logger,
    listeners: settings.adminPort === null ? 1 : 2,
    listening: ([bound, admin]) => greet(bound, admin ?? null, settings, nodeName),
  });
  process.exit(status);
}

async function serve(settings: Settings, logger: ConsoleLogger): Promise<void> {
  const app = await NestFactory.create(AppModule.with(settings), {
    logger,
    abortOnError: false,
  });
  const { nodeId } = app.get(ClusterService);
  if (logger instanceof JsonLogger) logger.node = nodeId;
  new Logger('Server').log(`node ${nodeId}, version ${VERSION}, Node.js ${process.versions.node}`);
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  // By name, because by default Nest would take SIGUSR2 too; and by exit, because a signal to itself does not end PID 1.
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  secureResponses(app);
  if (settings.adminPort !== null) keepDocsToAdminPort(app);
  serveHomePage(app, settings.adminPort !== null);
  serveDocs(app);
  takeSnapshotsBySignal(app);
  const server = (await app.listen(settings.port, settings.host)) as Server;
  if (cluster.isPrimary) greet(server.address() as AddressInfo, app.get(AdminPort).address, settings, nodeId);
  if (logger instanceof JsonLogger) logger.isStarting = false;
}

/** In text each line of a worker begins with its name; in JSON it has its pid and, as soon as that is known, its node's id. */
function createLogger({ logFormat, logLevel }: Settings, nodeName: string): ConsoleLogger {
  if (logFormat === 'json') return (jsonLogger = new JsonLogger(logLevel, nodeName));
  return new ConsoleLogger({
    logLevels: [logLevel],
    colors: isatty(1) && !process.env['NO_COLOR'],
    ...(cluster.isWorker && { prefix: `worker ${cluster.worker?.id}` }),
  });
}

/** Not through the logger: a level above `log` must not hide a token from its terminal. */
function greet(bound: AddressInfo, admin: AddressInfo | null, settings: Settings, node: string): void {
  process.stdout.write(greeting(bound, settings, admin, node));
}

// A log whose reader has ended must not end the server, as EPIPE would.
for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);

/** The logger of this process in JSON; null before the environment is read, and in text. */
let jsonLogger: JsonLogger | null = null;
const fail = (error: unknown): never => {
  reportFailure(error, process.env, jsonLogger);
  process.exit(1);
};
// Node.js writes an error that is not caught as text; its exit status is the same.
if (process.env['LOG_FORMAT'] === 'json') process.on('uncaughtException', fail);

try {
  await start();
} catch (error) {
  fail(error);
}
