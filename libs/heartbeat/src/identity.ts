/** Who a connection belongs to. */
export interface Identity {
  readonly userId: string;
  /** Free words to find and filter by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When the identity ends, as a Date or epoch milliseconds; the connection is closed with 4503 then. */
  readonly expiresAt?: Date | number;
}

/** Whether this can be an identity: a `userId` that is not empty, labels that are texts, and an end that is a time. */
export function isIdentity(value: unknown): value is Identity {
  const { userId, labels = {}, expiresAt } = (value ?? {}) as Partial<Identity>;
  if (typeof userId !== 'string' || userId === '') return false;
  if (!Object.values(labels).every(label => typeof label === 'string')) return false;
  return expiresAt === undefined || !Number.isNaN(Number(expiresAt));
}

/** A copy that nobody can change: connections are found by it. */
export function frozenIdentity(identity: Identity): Identity {
  return Object.freeze({ ...identity, labels: Object.freeze({ ...identity.labels }) });
}

/** What an authenticator answers: who it is, nobody in particular, somebody who will say later, or nobody who may come in. */
export type Authentication = Identity | 'anonymous' | 'deferred' | null;
