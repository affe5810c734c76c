/** The names of the senders of requests, as guards set them; released with the request. */
const actors = new WeakMap<object, string>();

/**
 * Names the sender of an admin request for the audit trail. A guard of the application (the extra `adminGuard`) calls it with the request
 * of its execution context; without it the audit trail shows `adminGuard`.
 */
export function identifyAdmin(request: object, name: string): void {
  actors.set(request, name);
}

/** The name that a guard set; null without one. */
export function adminIn(request: object): string | null {
  return actors.get(request) ?? null;
}

/** The name for the audit trail. */
export function adminOf(request: object): string {
  return actors.get(request) ?? 'adminGuard';
}
