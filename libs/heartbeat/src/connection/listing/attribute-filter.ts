import { isNetwork, networkMatcher, UNIX_PEER } from '../../base/network-address.js';
import type { ConnectionFilter } from './connection-filter.js';

/** The conditions of a filter on attributes, which a connection keeps after its end. */
export type AttributeFilter = Pick<ConnectionFilter, 'user' | 'ip' | 'path' | 'transport' | 'labels'>;

/** The attributes of a connection, or of something else that has some of them. */
export interface Attributes {
  readonly userId: string | null;
  readonly ip: string | null;
  readonly path: string | null;
  readonly transport: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

export type AttributePredicate = (attributes: Attributes) => boolean;

/** One predicate for each condition; all must hold. Conditions are parsed once. */
export function attributePredicates({ user, ip, path, transport, labels = {} }: AttributeFilter): AttributePredicate[] {
  const checks: AttributePredicate[] = [];
  if (user !== undefined) checks.push(({ userId }) => userId === user);
  if (ip !== undefined) checks.push(addressPredicate(ip));
  if (path !== undefined) checks.push(attributes => attributes.path === path);
  if (transport !== undefined) checks.push(attributes => attributes.transport === transport);
  for (const [key, value] of Object.entries(labels)) {
    checks.push(attributes => Object.hasOwn(attributes.labels, key) && attributes.labels[key] === value);
  }
  return checks;
}

/** A predicate for an address or CIDR in any spelling, or `unix:`. Any other text matches nothing. */
function addressPredicate(text: string): AttributePredicate {
  if (text === UNIX_PEER) return ({ ip }) => ip === UNIX_PEER;
  if (!isNetwork(text)) return () => false;
  const matches = networkMatcher([text]);
  return ({ ip }) => ip !== null && matches(ip);
}
