import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { DEFAULT_ROUTES } from 'nestjs-heartbeat/tooling';

import { eventOperations } from './openapi-events.js';
import { limitOperations } from './openapi-limits.js';
import { drainOperations } from './openapi-drain.js';
import { kickOperations } from './openapi-kicks.js';
import { adminResponses, content, healthResponses, type OperationText } from './openapi-responses.js';
import { ref, SCHEMAS } from './openapi-schemas.js';
import { statsOperations } from './openapi-stats.js';

type PathItem = OpenAPIObject['paths'][string];
type Operation = NonNullable<PathItem['get']>;

const health = String(DEFAULT_ROUTES.health);
const metrics = String(DEFAULT_ROUTES.metrics);
const admin = String(DEFAULT_ROUTES.admin);

/** By method and path. A route that is missing here would be in the document without words: a test sees to it. */
export const OPERATIONS: Readonly<Record<string, OperationText>> = {
  [`get ${health}`]: { id: 'health', summary: 'All health checks together', answer: 'Health' },
  [`get ${health}/live`]: {
    id: 'healthLive',
    summary: 'Is this process worth keeping?',
    description: 'Fails only when the heartbeat itself has stopped: never for load, and never while draining.',
    answer: 'Health',
  },
  [`get ${health}/ready`]: {
    id: 'healthReady',
    summary: 'Does this node take new connections?',
    description: 'Fails while starting, draining or at capacity; `reasons` names them.',
    answer: 'Health',
  },
  [`get ${health}/startup`]: { id: 'healthStartup', summary: 'Has the application started?', answer: 'Health' },
  [`get ${admin}/connections`]: {
    id: 'listConnections',
    summary: 'List connections',
    description: 'Page by page, sorted and filtered; all filters that are given must hold.',
    answer: 'ConnectionList',
    problems: [400],
  },
  [`get ${admin}/connections/{id}`]: {
    id: 'getConnection',
    summary: 'One connection, with its flight record',
    answer: 'ConnectionDetail',
    problems: [404, 504],
  },
  [`delete ${admin}/connections/{id}`]: {
    id: 'kickConnection',
    summary: 'Kick a connection',
    description: 'Begins the close: 4500, or 4005 when the client shall reconnect. Requires an operator.',
    answer: 'KickAnswer',
    unconfirmed: true,
    problems: [400, 403, 404],
  },
  [`get ${admin}/nodes`]: {
    id: 'listNodes',
    summary: 'The nodes of the cluster, the asked one first',
    description: 'Every node that has renewed its lease in time.',
    answer: 'NodeList',
  },
  ...statsOperations(admin),
  ...kickOperations(admin),
  [`get ${admin}/bans`]: {
    id: 'listBans',
    summary: 'List the bans in force, page by page',
    answer: 'BanList',
    problems: [400],
  },
  [`post ${admin}/bans`]: {
    id: 'ban',
    summary: 'Ban a user, an address or a network for a while',
    description:
      'On every node within a second: connections that it meets are closed with 4501, and upgrades are refused. A target that is banned already keeps one ban, with the later end. A prefix shorter than /8 (IPv4) or /16 (IPv6), or a ban that meets more than a tenth of more than 100 connections, needs `force` (problem `ban-too-wide`). Needs an operator.',
    answer: 'BanAnswer',
    status: 201,
    problems: [400, 403],
  },
  [`delete ${admin}/bans/{id}`]: {
    id: 'liftBan',
    summary: 'Lift a ban',
    description: 'On every node within a second. Needs an operator.',
    answer: 'LiftAnswer',
    problems: [403, 404],
  },
  [`get ${admin}/closed`]: {
    id: 'listClosed',
    summary: 'List the last closed connections of a node, newest first',
    description: 'Each with its cause in one sentence (`verdict`); all filters that are given must match.',
    answer: 'ClosedList',
    problems: [400, 404, 504],
  },
  [`get ${admin}/closed/{id}`]: {
    id: 'getClosed',
    summary: 'One closed connection: why it ended, in one sentence, and its flight record',
    description: 'The node in the id is asked.',
    answer: 'ClosedConnection',
    problems: [404, 504],
  },
  [`get ${admin}/audit`]: {
    id: 'listAudit',
    summary: 'The audit trail: changes and attempts, newest first',
    description:
      'The last 10,000 entries of all nodes, or of this node without Redis; all filters that are given must hold.',
    answer: 'AuditList',
    problems: [400],
  },
  ...limitOperations(admin),
  [`get ${admin}/doctor`]: {
    id: 'doctor',
    summary: 'Findings about options and system that would fail under load',
    description: 'Its configuration and its operating system, the gravest finding first, each with a remedy.',
    answer: 'DoctorReport',
    problems: [400, 404, 504],
  },
  ...eventOperations(admin),
  [`post ${admin}/heap-snapshot`]: {
    id: 'takeHeapSnapshot',
    summary: 'Write a heap snapshot to a file on the node',
    description:
      'Nothing else is done until it is written, which takes about a second for every 10 MB. At most one in a minute (429), and none ' +
      'that memory or disk would not suffice for (503). Needs an operator.',
    answer: 'HeapSnapshot',
    status: 201,
    problems: [400, 403, 404, 503, 504],
  },
  ...drainOperations(admin),
  [`get ${metrics}`]: {
    id: 'metrics',
    summary: 'Metrics for Prometheus',
    description: 'OpenMetrics where `Accept` requests it.',
    answer: 'Metrics',
  },
};

/** Serves the API's description: for people at `/docs`, for programs at `/docs-json`. */
export function setUpDocs(docs: INestApplication, described: INestApplication): void {
  SwaggerModule.setup('docs', docs, createDocument(described), {
    jsonDocumentUrl: 'docs-json',
    customSiteTitle: 'Heartbeat API',
  });
}

export function createDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Heartbeat reference server')
    .setDescription('Health and administration of long-lived WebSocket connections.')
    .setVersion('1')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'opaque',
        description: 'An admin token, as ADMIN_TOKEN or ADMIN_VIEWER_TOKEN has it.',
      },
      'admin',
    )
    .addTag('health', 'For balancers and orchestrators; without a token.')
    .addTag('metrics', 'For Prometheus; with a token where METRICS_GUARDED is true.')
    .addTag('admin', 'For operators; with a token.')
    .build();
  const document = SwaggerModule.createDocument(app, config);
  Object.assign((document.components ??= {}), { schemas: { ...document.components.schemas, ...SCHEMAS } });
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of ['get', 'post', 'put', 'patch', 'delete'] as const) {
      const text = OPERATIONS[`${method} ${path}`];
      if (item[method] !== undefined && text !== undefined) describe(item[method], text, path);
    }
  }
  return document;
}

function describe(operation: Operation, text: OperationText, path: string): void {
  const isAdmin = path.startsWith(`${admin}/`);
  operation.operationId = text.id;
  operation.summary = text.summary;
  if (text.description !== undefined) operation.description = text.description;
  const isMetrics = path === metrics;
  operation.tags = [isAdmin ? 'admin' : isMetrics ? 'metrics' : 'health'];
  if (isAdmin) operation.security = [{ admin: [] }];
  for (const parameter of operation.parameters ?? []) {
    if ('name' in parameter && parameter.name === 'job') parameter.description = 'The id of a kick of many.';
    if ('name' in parameter && parameter.name === 'id')
      parameter.description = `The id of a ${path.includes('/bans/') ? 'ban' : 'connection'}.`;
    // Labels are gathered in one object when they are read; each is a parameter of its own, with a text.
    if ('name' in parameter && parameter.name === 'label.<key>') parameter.schema = { type: 'string' };
  }
  if (isMetrics) operation.responses = { 200: content('OK', ref('Metrics'), { type: 'text/plain' }) };
  else operation.responses = isAdmin ? adminResponses(text) : healthResponses(text);
}
