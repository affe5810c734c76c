import { z } from 'zod';

import { drainRequest } from '../drain/drain-request.js';

const KEYS = [...Object.keys(drainRequest.shape), 'node', 'force'].join(', ');

const body = z.strictObject(
  {
    ...drainRequest.shape,
    node: z
      .string('must be a text')
      .min(1, 'must not be empty')
      .max(300, 'must be at most 300 characters')
      .optional()
      .meta({ description: 'The id or the name of a node. Default: the queried node.' }),
    force: z.boolean('must be true or false').default(false).meta({
      description:
        'True also begins a drain that does not fit (`plan-does-not-fit`), or of the last serving node (`no-serving-node`).',
    }),
  },
  {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? `is not a key of a drain, which has ${KEYS}` : `must be an object with ${KEYS}`,
  },
);

/** `POST drain`. Without a body all values have their defaults. */
export const drainBody = body.prefault({});
