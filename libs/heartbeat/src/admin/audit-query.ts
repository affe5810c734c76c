import { z } from 'zod';

import { encodeCursor } from '../http/cursor.js';
import { markRead, parameter, parameters, time } from '../http/query-parameter.js';
import type { AuditQuery } from '../http/audit-store.js';
import type { AuditView } from '../http/audit-view.js';
import type { AuditPosition } from '../messaging/shared-audit.js';
import { pageCursor, pageLimit, placeOf } from './admin-query.js';

const position = z.object({ id: z.string(), at: z.number() });

function exactly(description: string) {
  return parameter(z.string()).optional().meta({ description });
}

export interface AuditRequest extends AuditQuery {
  /** The cursor of the page after this position. */
  cursorTo(end: AuditPosition): string;
}

/** `GET audit`, newest first. All given filters must match. */
export const auditQuery = parameters({
  limit: pageLimit(),
  cursor: pageCursor(),
  who: exactly('The name of a token, or `application`.'),
  what: exactly('The action, such as `kick`.'),
  target: exactly('The id of a connection, a ban, a job or a node.'),
  result: exactly('The result; `refused` also matches `refused: <reason>`.'),
  from: exactly('The client address.'),
  node: exactly('The id of the node that recorded the entry.'),
  since: time().optional().meta({ description: 'Entries from this time on, in ISO 8601 with its offset.' }),
}).transform(({ limit, cursor, since, ...filter }, context): AuditRequest => {
  const wanted = Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const scope = ['audit', since ?? null, wanted];
  return markRead({
    limit,
    after: placeOf(cursor, scope, position, context),
    since: since === undefined ? undefined : Date.parse(since),
    matches: (entry: AuditView) => wanted.every(([name, value]) => isMatch(name as keyof typeof filter, value, entry)),
    cursorTo: (end: AuditPosition) => encodeCursor(end, scope),
  });
});

function isMatch(
  name: 'who' | 'what' | 'target' | 'result' | 'from' | 'node',
  value: string,
  entry: AuditView,
): boolean {
  if (entry[name] === value) return true;
  return name === 'result' && value === 'refused' && entry.result.startsWith('refused: ');
}
