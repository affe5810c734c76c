import { z } from 'zod';

import { LIMIT_KEYS, LIMIT_SHAPE } from '../limits/limit-change.js';
import { milliseconds, text } from '../options/checkers.js';

const BODY_KEYS = `${LIMIT_KEYS.join(', ')}, forMs and node`;

/** `PATCH limits`. The service checks pairs of limits. */
export const limitsBody = z.strictObject(
  {
    ...LIMIT_SHAPE,
    forMs: milliseconds(1).optional().meta({
      description:
        'The time after which the change ends. Default: it lasts until the process ends, for `all` until it is removed.',
    }),
    node: text(400)
      .optional()
      .meta({ description: 'The id or the name of a node, or `all`. Default: the queried node.' }),
  },
  {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `is not a key of this body, which has ${BODY_KEYS}`
        : `must be an object: the body is JSON with ${BODY_KEYS}`,
  },
);
