import type { OpenAPIObject } from '@nestjs/swagger';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const time = (description: string, nullable = false): Schema => ({
  type: 'string',
  format: 'date-time',
  description,
  nullable,
});
const whole = (properties: Record<string, Schema>): Schema => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
});
const list = (items: Schema): Schema => ({ type: 'array', items });

const counts = {
  matched: count('Connections that the token is bound to.'),
  closed: count('Connections whose close has begun.'),
  gone: count('Connections that had ended, or were closing already.'),
  failed: count('Connections whose close threw an error.'),
  lost: count('The rest of shares whose node has ended.'),
  bans: count('Bans that were made.'),
};

/** The texts of the routes below the admin path `admin`. */
export const kickOperations = (admin: string) =>
  ({
    [`post ${admin}/kicks`]: {
      id: 'kickMany',
      summary: 'Kick many connections: a dry run, then its token',
      description:
        'With `filter` or `ids` and `dryRun`: shows what would be kicked, and answers a token for just these connections. With `token`: ' +
        '202, and the kicks begin, paced over all nodes. A filter needs a condition. Requires an operator.',
      answer: 'KickPlan',
      started: true,
      problems: [400, 403, 404, 409, 503],
    },
    [`get ${admin}/kicks/{job}`]: {
      id: 'getKicks',
      summary: 'Progress or result of a kick of many',
      description: 'Through any node, for an hour after its end.',
      answer: 'KickJob',
      problems: [400, 404, 503],
    },
    [`delete ${admin}/kicks/{job}`]: {
      id: 'stopKicks',
      summary: 'Stop a kick of many',
      description: 'Each node ends before its next kick. Requires an operator.',
      answer: 'KickJob',
      problems: [400, 403, 404, 503],
    },
  }) as const;

/** The schemas of a kick of many connections. */
export const KICK_SCHEMAS = {
  KickPlan: whole({
    matched: counts.matched,
    share: { type: 'number', minimum: 0, maximum: 1, description: 'Of all connections of the nodes that replied.' },
    byNode: list(whole({ node: { type: 'string' }, matched: counts.matched })),
    silent: list({
      type: 'string',
      description: 'A node that did not reply: its connections are not part of the token.',
    }),
    sample: list({ $ref: '#/components/schemas/Connection' }),
    token: { type: 'string', description: 'Starts the kicks, once, at any node.' },
    expiresAt: time('The moment at which the token expires.'),
  }),
  KickStarted: whole({ job: { type: 'string', description: 'The id of the job.' } }),
  KickJob: whole({
    job: { type: 'string' },
    state: { type: 'string', enum: ['running', 'stopped', 'done'] },
    ...counts,
    perSecond: { type: 'number', description: 'Kicks a second of all nodes together.' },
    startedAt: time('The moment of its start.'),
    endedAt: time('Null until every share has ended.', true),
    nodes: list(
      whole({
        node: { type: 'string' },
        state: { type: 'string', enum: ['waiting', 'running', 'stopped', 'done', 'lost'] },
        ...counts,
      }),
    ),
  }),
} satisfies Record<string, Schema>;
