import type { AdminRole } from '../options/admin.options.js';

/** The sender of an admin request. */
export interface AdminSender {
  readonly name: string;
  /** Null where the guard of the application named none. */
  readonly role: AdminRole | null;
}

/** The senders of requests, as guards set them; released with the request. */
const senders = new WeakMap<object, AdminSender>();

/**
 * Names the sender of an admin request for the audit trail. A guard of the application (the extra `adminGuard`) calls it with the request
 * of its execution context; without it the audit trail shows `adminGuard`.
 * @param role The role of the sender, which the audit trail shows. Default: none.
 */
export function identifyAdmin(request: object, name: string, role: AdminRole | null = null): void {
  senders.set(request, { name, role });
}

/** Requests that the guard of the admin API admitted. */
const admitted = new WeakSet<object>();

export function markAdmitted(request: object): void {
  admitted.add(request);
}

/** Whether the guard of the admin API admitted the request. */
export function isAdmitted(request: object): boolean {
  return admitted.has(request);
}

/** The sender that a guard set; null without one. */
export function adminIn(request: object): AdminSender | null {
  return senders.get(request) ?? null;
}

/** The sender for the audit trail. */
export function adminOf(request: object): AdminSender {
  return senders.get(request) ?? { name: 'adminGuard', role: null };
}
