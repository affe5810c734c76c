import type { OpenAPIObject } from '@nestjs/swagger';
import type { Leaders, Stats } from 'nestjs-heartbeat';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });

const nodes: Schema = {
  type: 'array',
  description: 'The nodes that were asked. The response has no part of those whose status is not `ok`.',
  items: { $ref: '#/components/schemas/NodeAnswer' },
};
const degraded: Schema = {
  type: 'boolean',
  enum: [true],
  description: 'Only while Redis is lost: the response is about the asked node.',
};
const nodeExample = { id: 'node-1-9f86d081', status: 'ok', connections: 120, ageMs: 0 } as const;

/** The texts of the routes below the admin path `admin`. */
export const statsOperations = (admin: string) =>
  ({
    [`get ${admin}/stats`]: {
      id: 'stats',
      summary: 'Series of the last 15 minutes, for charts',
      description:
        'All nodes together, or one. By second for the last minute, and by five seconds for all. Counts are summed, and percentiles are ' +
        'those of all values of all nodes. Null is a gap.',
      answer: 'Stats',
      problems: [400, 404, 504],
    },
    [`get ${admin}/leaders`]: {
      id: 'leaders',
      summary: 'The ten largest connections, users or addresses',
      description: 'Over all nodes. Reconnects and refusals are those of the last 10 to 15 minutes.',
      answer: 'Leaders',
      problems: [400],
    },
  }) as const;

/** The schemas of their responses. */
export const STATS_SCHEMAS = {
  NodeAnswer: {
    type: 'object',
    required: ['id', 'status', 'connections', 'ageMs'],
    properties: {
      id: { type: 'string' },
      status: { type: 'string', enum: ['ok', 'timeout', 'error'] },
      connections: count('All its connections; of a silent one those of its last report.'),
      ageMs: { type: 'number', description: 'How old that number is.' },
    },
  },
  Stats: {
    type: 'object',
    required: ['from', 'stepMs', 'series', 'totals', 'nodes'],
    properties: {
      from: { type: 'string', format: 'date-time', description: 'The start of the first period.' },
      stepMs: count('The length of a period.'),
      series: {
        type: 'object',
        description: 'By name, all of one length. The value at an index begins at `from` + index × `stepMs`.',
        additionalProperties: { type: 'array', items: { type: 'number', nullable: true } },
      },
      totals: {
        type: 'object',
        description: 'Connections now, and sums since the start of each node.',
        additionalProperties: { type: 'number' },
      },
      nodes,
      degraded,
    },
    example: {
      from: '2026-01-31T12:00:00.000Z',
      stepMs: 5000,
      series: { connections: [118, 120], opened: [3, 2], rttP50Ms: [12.5, null] },
      totals: {
        connections: 120,
        opened: 900,
        closed: 780,
        refused: 4,
        messagesIn: 12_000,
        messagesOut: 15_000,
        bytesIn: 960_000,
        bytesOut: 1_400_000,
      },
      nodes: [nodeExample],
    } satisfies Omit<Stats, 'from'> & { from: string },
  },
  Leaders: {
    type: 'object',
    required: ['by', 'group', 'items', 'nodes'],
    properties: {
      by: { type: 'string' },
      group: { type: 'string', enum: ['connection', 'user', 'ip'] },
      items: {
        type: 'array',
        items: {
          type: 'object',
          required: ['key', 'value', 'connections', 'userId', 'ip'],
          properties: {
            key: { type: 'string', description: 'The id of a connection or user, or a client address.' },
            value: { type: 'number' },
            connections: count('Its open connections.'),
            userId: { type: 'string', nullable: true, description: 'Of a connection only.' },
            ip: { type: 'string', nullable: true, description: 'Of a connection only.' },
          },
        },
      },
      approximate: {
        type: 'boolean',
        enum: [true],
        description: 'Only where a value may be too low, or one of the ten may be missing.',
      },
      windowMs: count('Only for reconnects and refusals: the time that they cover.'),
      nodes,
      degraded,
    },
    example: {
      by: 'reconnects',
      group: 'ip',
      items: [{ key: '203.0.113.7', value: 41, connections: 1, userId: null, ip: null }],
      windowMs: 720_000,
      nodes: [nodeExample],
    } satisfies Leaders,
  },
} satisfies Record<string, Schema>;
