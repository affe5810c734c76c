import type { Refusal } from './refusal.js';

/** One check. Returns null where it has no objection to the client. */
export type Step<Client> = (client: Client) => Refusal | null;

/** The refusal of the first step that has one; null without any. */
export function firstRefusal<Client>(steps: readonly Step<Client>[], client: Client): Refusal | null {
  for (const step of steps) {
    const refusal = step(client);
    if (refusal !== null) return refusal;
  }
  return null;
}
