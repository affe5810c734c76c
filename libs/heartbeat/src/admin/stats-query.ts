import { nodeParameter, markRead, oneOf, parameters, wholeNumber, withDefault } from '../http/query-parameter.js';
import { defaultGroup, groupFault } from '../stats/leader-board.js';
import { LEADER_GROUPS, LEADER_VALUES, type LeadersQuery } from '../stats/leaders.types.js';
import { FINE_MS, RANGE_MS, stepFault } from '../stats/stats.service.js';

/** `GET stats`. */
export const statsQuery = parameters({
  sinceMs: withDefault(
    wholeNumber(1, RANGE_MS),
    RANGE_MS,
    `The last so many milliseconds, up to ${RANGE_MS} (15 minutes).`,
  ),
  stepMs: wholeNumber(1)
    .optional()
    .meta({
      description: `The length of a period: 1000, where \`sinceMs\` is at most ${FINE_MS}, or 5000. Default: the shortest.`,
      enum: [1000, 5000],
    }),
  node: nodeParameter().meta({ description: 'The id or the name of a node. Default: all nodes together.' }),
}).transform(({ sinceMs, stepMs, node }, context) => {
  const fault = stepMs === undefined ? null : stepFault(sinceMs, stepMs);
  if (fault !== null) context.addIssue({ code: 'custom', path: ['stepMs'], message: fault });
  const step = stepMs === undefined ? {} : { stepMs: stepMs as 1000 | 5000 };
  return markRead({ node, query: { sinceMs, ...step } });
});

/** `GET leaders`. */
export const leadersQuery = parameters({
  by: oneOf(LEADER_VALUES).meta({
    description: 'The value to rank by. `reconnects` and `refusals` are counts of the last 10 to 15 minutes.',
  }),
  group: oneOf(LEADER_GROUPS).optional().meta({
    description:
      'Sums of single connections, of users, or of client addresses. Default: `connection`; `ip` for reconnects and refusals, which are known by `ip` and `user` only.',
  }),
}).transform(({ by, group = defaultGroup(by) }, context): LeadersQuery => {
  const fault = groupFault(by, group);
  if (fault !== null) context.addIssue({ code: 'custom', path: ['group'], message: fault });
  return markRead({ by, group });
});
