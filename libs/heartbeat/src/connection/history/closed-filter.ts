import type { ClosedBy } from '../../protocol/close-code.js';
import { type Attributes, attributePredicates } from '../listing/attribute-filter.js';
import type { ClosedRecord } from './closed-record.js';

/** Conditions on closed connections. All given conditions must be met. */
export interface ClosedFilter {
  readonly code?: number | undefined;
  /** The side that closed. */
  readonly by?: ClosedBy | undefined;
  readonly user?: string | undefined;
  /** An address, a CIDR such as `10.0.0.0/8`, or `unix:`. */
  readonly ip?: string | undefined;
  /** Epoch milliseconds: closed then or later. */
  readonly since?: number | undefined;
}

type Ended = Pick<ClosedRecord, 'closing' | 'closedAt'> & { readonly facts: Attributes };

/** The filter as one function; conditions are parsed once. */
export function closedPredicate({ code, by, user, ip, since }: ClosedFilter): (ended: Ended) => boolean {
  const checks: ((ended: Ended) => boolean)[] = [];
  if (code !== undefined) checks.push(({ closing }) => closing.code === code);
  if (by !== undefined) checks.push(({ closing }) => closing.by === by);
  if (since !== undefined) checks.push(({ closedAt }) => closedAt >= since);
  const attributes = { ...(user !== undefined && { user }), ...(ip !== undefined && { ip }) };
  for (const check of attributePredicates(attributes)) checks.push(({ facts }) => check(facts));
  return ended => checks.every(check => check(ended));
}
