import type { OpenAPIObject } from '@nestjs/swagger';
import type { ClosedView, ConnectionView } from 'nestjs-heartbeat';
import {
  auditEntry,
  closedView,
  clusterNode,
  configAnswer,
  connectionDetail,
  connectionView,
  drainPlan,
  findingSchema,
  heapSnapshot,
} from 'nestjs-heartbeat/tooling';
import { z } from 'zod';

import { EVENT_STREAM } from './openapi-events.js';
import { CLOSE_EXAMPLE, FLIGHT_EXAMPLE } from './openapi-examples.js';
import { STATS_SCHEMAS } from './openapi-stats.js';
import { KICK_SCHEMAS } from './openapi-kicks.js';
import { LIMIT_SCHEMAS } from './openapi-limits.js';

/** A schema of OpenAPI, or a reference to one. */
export type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

/** Refers to a schema of this file. */
export function ref(name: keyof typeof SCHEMAS): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

const time = (description: string, nullable = false): Schema => ({
  type: 'string',
  format: 'date-time',
  description,
  nullable,
});
const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const nullable = (type: 'string' | 'number', description: string): Schema => ({ type, nullable: true, description });

/** An object whose properties are all there, always, but for those that `more` names. */
const whole = (properties: Record<string, Schema>, example?: unknown, more: Record<string, Schema> = {}): Schema => ({
  type: 'object',
  required: Object.keys(properties),
  properties: { ...properties, ...more },
  ...(example !== undefined && { example }),
});

/** A schema of the library. Its bounds are those of messages between nodes, not of the API. */
const described = (schema: z.ZodType, example?: unknown): Schema => {
  const converted = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      for (const bound of ['minLength', 'maxLength', 'maximum'] as const) delete jsonSchema[bound];
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return { ...(converted as Schema), ...(example !== undefined && { example }) };
};

const connectionExample = {
  id: 'node-1-9f86d081.00000001',
  node: 'node-1-9f86d081',
  path: '/ws',
  ip: '127.0.0.1',
  userId: null,
  labels: {},
  state: 'open',
  openedAt: '2026-01-31T12:00:00.000Z',
  lastSeenAt: '2026-01-31T12:00:25.000Z',
  lastMessageAt: null,
  rttMs: 0.8,
  missedPongs: 0,
  bufferedBytes: 0,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  userAgent: 'Mozilla/5.0',
  appHeartbeat: false,
  transport: 'ws',
  busy: 0,
} satisfies ConnectionView;

const closedExample = { ...connectionExample, ...CLOSE_EXAMPLE } satisfies ClosedView;

const auditExample = {
  id: 'node-1-9f86d081.0000001',
  at: '2026-01-31T12:01:00.000Z',
  node: 'node-1-9f86d081',
  who: 'operator',
  role: 'operator',
  from: '127.0.0.1',
  what: 'kick',
  target: connectionExample.id,
  result: 'done',
  parameters: { reason: 'moving you', reconnect: true },
} satisfies z.output<typeof auditEntry>;

const nextCursor = nullable('string', 'The `cursor` of the next page; null on the last.');
const health: Schema = {
  type: 'object',
  additionalProperties: whole({ status: { type: 'string', enum: ['up', 'degraded', 'down'] } }),
};
const up = { heartbeat: { status: 'up', sinceTickMs: 12, intervalMs: 25_000 } };

/** Present only while Redis is lost. */
const degraded: Schema = {
  type: 'boolean',
  enum: [true],
  description: 'Only while Redis is lost: other nodes are out of sight.',
};

const ban = {
  id: { type: 'string' },
  kind: { type: 'string', enum: ['user', 'ip', 'cidr'] },
  value: { type: 'string', description: "A user's id, an address or a CIDR; in one spelling, without host bits." },
  reason: { type: 'string', description: 'The reason in the close frame and in the refusal.' },
  expiresAt: time('The moment at which the ban ends.'),
} satisfies Record<string, Schema>;

/** All schemas of the document, by name. */
export const SCHEMAS = {
  Connection: described(connectionView, connectionExample),
  ConnectionDetail: described(connectionDetail, { ...connectionExample, flight: FLIGHT_EXAMPLE }),
  ClosedConnection: described(closedView, closedExample),
  ConnectionList: whole(
    {
      items: { type: 'array', items: { $ref: '#/components/schemas/Connection' } },
      nextCursor,
      total: count('How many match the filter, on all pages.'),
      nodes: {
        type: 'array',
        description: 'The nodes that were asked; one that is silent is named, not waited for.',
        items: whole({
          id: { type: 'string' },
          status: { type: 'string', enum: ['ok', 'timeout', 'error'] },
          connections: count('All its connections, whatever the filter; of a silent one those of its last report.'),
          ageMs: { type: 'number', description: 'How old that number is.' },
        }),
      },
    },
    {
      items: [connectionExample],
      nextCursor: null,
      total: 1,
      nodes: [{ id: 'node-1-9f86d081', status: 'ok', connections: 1, ageMs: 0 }],
    },
    { degraded },
  ),
  ...STATS_SCHEMAS,
  NodeList: whole({ items: { type: 'array', items: described(clusterNode) } }, undefined, { degraded }),
  Ban: whole(ban),
  BanAnswer: whole({
    ...ban,
    closed: count('Connections of this node whose close has begun; those of other nodes follow within a second.'),
  }),
  BanList: whole({
    items: { type: 'array', items: { $ref: '#/components/schemas/Ban' } },
    nextCursor,
    total: count('How many match the filter, on all pages.'),
  }),
  LiftAnswer: whole({ id: { type: 'string' }, lifted: { type: 'boolean', enum: [true] } }),
  ClosedList: whole(
    { items: { type: 'array', items: { $ref: '#/components/schemas/ClosedConnection' } }, nextCursor },
    { items: [closedExample], nextCursor: null },
  ),
  KickAnswer: whole(
    {
      id: { type: 'string' },
      node: { type: 'string' },
      closing: { type: 'boolean', description: 'Whether the close has begun.' },
    },
    { id: connectionExample.id, node: connectionExample.node, closing: true },
    {
      confirmed: {
        type: 'boolean',
        enum: [false],
        description: 'Only with 202: it may or may not happen.',
      },
    },
  ),
  AuditList: whole(
    { items: { type: 'array', items: described(auditEntry) }, nextCursor },
    { items: [auditExample], nextCursor: null },
    { degraded },
  ),
  ...KICK_SCHEMAS,
  ...LIMIT_SCHEMAS,
  Config: described(configAnswer),
  DoctorReport: whole({ findings: { type: 'array', items: described(findingSchema) } }),
  HeapSnapshot: described(heapSnapshot),
  DrainPlan: described(drainPlan),
  Me: whole(
    {
      name: { type: 'string', description: 'Of the token, or as the guard of the application set it.' },
      role: {
        type: 'string',
        enum: ['viewer', 'operator'],
        nullable: true,
        description: 'Null where a guard of the application set none.',
      },
      node: { type: 'string', description: 'The id of the requested node.' },
    },
    { name: 'operator', role: 'operator', node: connectionExample.node },
  ),
  Metrics: { type: 'string', description: 'Text in the exposition format of Prometheus, or OpenMetrics.' },
  EventStream: EVENT_STREAM,
  Health: whole(
    {
      status: { type: 'string', enum: ['ok', 'degraded', 'error'] },
      info: { ...health, description: 'The indicators that are not down.' },
      error: { ...health, description: 'The indicators that are down.' },
      details: { ...health, description: 'All indicators.' },
    },
    { status: 'ok', info: up, error: {}, details: up },
  ),
  Problem: {
    type: 'object',
    description: 'RFC 9457 problem details.',
    required: ['type', 'title', 'status', 'detail'],
    properties: {
      type: { type: 'string', format: 'uri', description: 'Stable, for programs.' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'The problem and its remedy.' },
      errors: {
        type: 'array',
        description: 'Of a bad query: each fault, with a JSON pointer into the query.',
        items: whole({ pointer: { type: 'string' }, detail: { type: 'string' } }),
      },
      excessMs: count('Of a plan that does not fit: the time by which it is too long.'),
    },
    example: {
      type: 'urn:nestjs-heartbeat:problem:bad-query',
      title: 'Bad Request',
      status: 400,
      detail: 'limit must be a whole number from 1 to 500',
      errors: [{ pointer: '/limit', detail: 'must be a whole number from 1 to 500' }],
    },
  },
} satisfies Record<string, Schema>;
