import { z } from 'zod';

import { checkedCondition } from '../connection/listing/connection-filter.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { isAddressOrCidr, markRead } from '../http/query-parameter.js';
import { MAX_IDS, MAX_PER_SECOND, MAX_REASON_BYTES } from '../kicks/kick-settings.js';

const WHOLE_MS = 'must be a whole number of milliseconds above 0';
const PER_SECOND = `must be a whole number from 1 to ${MAX_PER_SECOND}`;
const KEYS = 'filter or ids with dryRun, or token; and reason, reconnect, banForMs and perSecond';

/** A condition with its value, as in a list. Labels are an object: `{ "labels": { "room": "a" } }`. */
const filter = z
  .unknown()
  .transform((given, context) => {
    try {
      const checked = checkedCondition(given);
      const { ip, labels = {} } = checked;
      if (ip !== undefined && !isAddressOrCidr(ip)) {
        context.addIssue({
          code: 'custom',
          path: ['ip'],
          message: 'must be an IP address, or a CIDR such as 10.0.0.0/8',
        });
      }
      for (const [key, value] of Object.entries(labels)) {
        if (value === '') context.addIssue({ code: 'custom', path: [`labels.${key}`], message: 'must not be empty' });
      }
      return checked;
    } catch (error) {
      if (!(error instanceof HeartbeatError)) throw error;
      for (const { key, rule, remedy } of error.problems) {
        context.addIssue({ code: 'custom', path: key === 'filter' ? [] : [key], message: `${rule}: ${remedy}` });
      }
      return z.NEVER;
    }
  })
  .meta({
    type: 'object',
    additionalProperties: true,
    description:
      'The conditions of the list, all of which must hold; at least one. Numbers are numbers, and labels are an object.',
  });

const body = z.strictObject(
  {
    dryRun: z.literal(true, 'must be true: a kick of many begins with a dry run').optional(),
    filter: filter.optional(),
    ids: z
      .array(z.string('must be a text').min(1, 'must not be empty').max(300, 'must be the id of a connection'))
      .min(1, 'must have at least one id')
      .max(MAX_IDS, `must have at most ${MAX_IDS} ids: give a filter for more`)
      .optional()
      .meta({ description: 'Ids of connections, of any nodes.' }),
    token: z
      .string('must be a text')
      .min(1, 'must not be empty')
      .max(100, 'must be the token of a dry run')
      .optional()
      .meta({ description: 'Of a dry run: kicks its connections. Good once, for five minutes, at any node.' }),
    reason: z
      .string('must be a text')
      .min(1, 'must not be empty')
      .refine(
        reason => Buffer.byteLength(reason) <= MAX_REASON_BYTES,
        `must be at most ${MAX_REASON_BYTES} bytes of UTF-8, which is what a close frame can carry`,
      )
      .optional()
      .meta({ description: 'For the close frames. Default: `kicked`, or `reconnect`.' }),
    reconnect: z
      .boolean('must be true or false')
      .optional()
      .meta({ description: 'Close with 4005 and an advised delay instead of 4500. Default: false.' }),
    banForMs: z
      .number(WHOLE_MS)
      .int(WHOLE_MS)
      .min(1, WHOLE_MS)
      .optional()
      .meta({ description: 'Also ban the user of each kicked connection, or its address where it is anonymous.' }),
    perSecond: z
      .number(PER_SECOND)
      .int(PER_SECOND)
      .min(1, PER_SECOND)
      .max(MAX_PER_SECOND, PER_SECOND)
      .optional()
      .meta({ description: 'Kicks a second of all nodes together. Default: 1000.' }),
  },
  {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `is not a key of a bulk kick, which has ${KEYS}`
        : `must be an object: the body is JSON with ${KEYS}`,
  },
);

/** `POST kicks`: a dry run, or the start of its kicks. */
export const kicksBody = body.transform((given, context) => {
  const { dryRun, filter: wanted, ids, token, ...options } = given;
  const issue = (key: string | null, message: string) =>
    context.addIssue({ code: 'custom', path: key === null ? [] : [key], message });
  if (token !== undefined) {
    for (const [key, value] of Object.entries({ dryRun, filter: wanted, ids })) {
      if (value !== undefined) issue(key, 'must not be given with a token, which has its connections');
    }
  } else if (wanted !== undefined && ids !== undefined) issue('ids', 'must not be given with a filter');
  else if (wanted === undefined && ids === undefined)
    issue(null, `must have a filter, ids or a token: its keys are ${KEYS}`);
  else if (dryRun === undefined) issue('dryRun', 'must be true: a kick of many begins with a dry run');
  if (options.reconnect === true && options.banForMs !== undefined) {
    issue('banForMs', 'must not be given with reconnect: a banned client cannot reconnect');
  }
  const selection = { ...(wanted !== undefined && { filter: wanted }), ...(ids !== undefined && { ids }) };
  return markRead({ token, selection, options: withoutUndefined(options) });
});

/** The given members only. */
function withoutUndefined<Given extends object>(
  given: Given,
): { [Key in keyof Given]: Exclude<Given[Key], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}
