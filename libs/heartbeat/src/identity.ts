/** Who a connection belongs to. */
export interface Identity {
  readonly userId: string;
  /** Free words to find and filter by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When the identity ends, as a Date or epoch milliseconds; the connection is closed with 4503 then. */
  readonly expiresAt?: Date | number;
}

/** What an authenticator answers: who it is, nobody in particular, somebody who will say later, or nobody who may come in. */
export type Authentication = Identity | 'anonymous' | 'deferred' | null;
