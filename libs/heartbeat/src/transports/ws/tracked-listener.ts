import type { IncomingMessage } from 'node:http';

import type { GuestKind, UpgradeEvent } from './guest-filter.js';

/** A server of the application that is tracked, and has an `upgrade` listener of its own on an HTTP server. */
export interface TrackedListener {
  /** The kind of its listener. */
  readonly kind: GuestKind;
  /** Whether an upgrade is for this server. */
  serves(request: IncomingMessage): boolean;
  /** Takes an upgrade that it serves, as its listener would. */
  receive(...upgrade: UpgradeEvent): void;
}
