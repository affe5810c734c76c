import type { CanActivate, Type } from '@nestjs/common';

/** One change that somebody made, or tried to make, over HTTP. */
export interface Change {
  /** Name of the token, or what the application's own guard called it. */
  readonly who: string;
  readonly what: string;
  /** What it was done to: a connection's id, a node's. */
  readonly target: string;
  /** The address that it was asked from. */
  readonly from: string;
  /** `done`, or why it was not. */
  readonly result: string;
}

/** Behind what the guarded routes of other folders hang. The wiring gives it, since the edges do not know each other. */
export interface AdminExposure {
  /** Lets a viewer read and an operator do all. */
  readonly guard: Type<CanActivate>;
  /** The audit trail; a provider. */
  readonly audit: Type<{ record(change: Change): void }>;
  /** Who sent a request that the guard has let in. */
  readonly adminOf: (request: object) => string;
}
