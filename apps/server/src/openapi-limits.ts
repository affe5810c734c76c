import type { OpenAPIObject } from '@nestjs/swagger';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const whole = (properties: Record<string, Schema>): Schema => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
});
const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const list = (items: Schema): Schema => ({ type: 'array', items });

const limits = whole({
  maxConnections: count('Connections of the node.'),
  maxPerIp: count('Connections of one address; 0 is off, also below.'),
  maxPerUser: count('Connections of one user, over all nodes.'),
  upgradesPerSecond: count('Upgrades of all clients.'),
  upgradesPerSecondPerIp: count('Upgrades of one address.'),
  messagesPerSecond: count('Messages of one connection.'),
  refuseAbove: { type: 'number', description: 'The load above which upgrades are refused.' },
  shedAbove: { type: 'number', description: 'The load above which idle connections are closed.' },
});

const answer = whole({
  expiresAt: { type: 'string', format: 'date-time', nullable: true, description: 'The end of the change.' },
  before: { ...limits, description: 'Of the node that was to change, and for `all` of the queried one.' },
  nodes: list(
    whole({
      id: { type: 'string' },
      status: {
        type: 'string',
        enum: ['ok', 'rejected', 'timeout', 'error'],
        description: '`rejected`: impossible together with the options of the node; `errors` names the limits.',
      },
      limits: { ...limits, nullable: true, description: 'In force after the change; null without a reply.' },
      errors: list(whole({ pointer: { type: 'string' }, detail: { type: 'string' } })),
      warnings: list({ type: 'string' }),
    }),
  ),
});

/** The schemas of limits at run time. */
export const LIMIT_SCHEMAS = {
  LimitsAnswer: {
    ...answer,
    properties: {
      ...(answer as { properties: Record<string, Schema> }).properties,
      degraded: { type: 'boolean', enum: [true], description: 'Only while Redis is lost.' },
    },
  },
} satisfies Record<string, Schema>;

/** The texts of the routes of limits at run time and of the options in force, below the admin path `admin`. */
export const limitOperations = (admin: string) =>
  ({
    [`patch ${admin}/limits`]: {
      id: 'changeLimits',
      summary: 'Change limits while nodes run',
      description:
        'Of one node, or with `all` of all. `null` removes a change. A change of a node comes before one of all, and both before the option. Needs an operator.',
      answer: 'LimitsAnswer',
      problems: [400, 403, 404, 504],
    },
    [`get ${admin}/config`]: {
      id: 'config',
      summary: 'The options in force on a node, and where each was set',
      description: 'Secrets are masked.',
      answer: 'Config',
      problems: [400, 404, 504],
    },
  }) as const;
