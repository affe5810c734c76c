/** Who sent a request, as its guard found out; forgotten with the request. */
const actors = new WeakMap<object, string>();

/** For guards: says by which name the audit trail shall call the one who sent this request. */
export function identifyAdmin(request: object, name: string): void {
  actors.set(request, name);
}

/** The name that a guard gave; null where none did. */
export function adminIn(request: object): string | null {
  return actors.get(request) ?? null;
}

/** The name for the audit trail. A guard of the application that names nobody is named itself. */
export function adminOf(request: object): string {
  return actors.get(request) ?? 'adminGuard';
}
