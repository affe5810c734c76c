import { HeartbeatError } from './heartbeat.error.js';

/** The user that a connection belongs to. */
export interface Identity {
  readonly userId: string;
  /** Free texts for search and filters. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The moment at which the identity ends, as a Date or epoch milliseconds. The connection is then closed with 4503. */
  readonly expiresAt?: Date | number;
}

/** The labels of an anonymous client. */
export const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** The reason why a value is not an identity: field, kind of value and rule. Returns null for an identity. */
export function identityProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null)
    return `it is ${shown(value)} but must be { userId, labels?, expiresAt? }`;
  const { userId, labels = {}, expiresAt } = value as Partial<Record<keyof Identity, unknown>>;
  if (typeof userId !== 'string' || userId === '')
    return `userId is ${shown(userId)} but must be a text that is not empty`;
  if (typeof labels !== 'object' || labels === null) return `labels is ${shown(labels)} but must be an object of texts`;
  const label = Object.entries(labels).find(([, text]) => typeof text !== 'string');
  if (label)
    return `labels.${label[0]} is ${shown(label[1])} but must be a text: leave the label out where there is none`;
  const isTime = typeof expiresAt === 'number' || expiresAt instanceof Date;
  if (expiresAt === undefined || (isTime && !Number.isNaN(Number(expiresAt)))) return null;
  return `expiresAt is ${shown(expiresAt)} but must be a Date or epoch milliseconds`;
}

/** @throws HeartbeatError `HEARTBEAT_BAD_IDENTITY` for a value that is not an identity. */
export function assertIdentity(connectionId: string, value: unknown): void {
  const problem = identityProblem(value);
  if (problem === null) return;
  throw new HeartbeatError('HEARTBEAT_BAD_IDENTITY', `connection ${connectionId} was not identified: ${problem}`);
}

/** The kind of a value, never its content: an identity may hold personal data. */
function shown(value: unknown): string {
  if (value === undefined || value === null || value === '') return value === '' ? 'an empty text' : String(value);
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'an invalid Date';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'number' && Number.isNaN(value)
    ? 'NaN'
    : typeof value === 'object'
      ? 'an object'
      : `a ${typeof value}`;
}

/** A frozen copy: an index finds connections by it, so it must not change. */
export function frozenIdentity(identity: Identity): Identity {
  return Object.freeze({ ...identity, labels: Object.freeze({ ...identity.labels }) });
}

/** The result of an authenticator: an identity, an anonymous client, an identity that follows later, or a rejection (null). */
export type Authentication = Identity | 'anonymous' | 'deferred' | null;
