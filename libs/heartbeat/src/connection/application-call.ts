import type { AuditChange, AuditResult } from '../node/audit-entry.js';

/** A call of a public service by which the application changes something, and its result. */
export interface ApplicationCall extends AuditChange {
  /** The initiator that the application names. Default: `application`. */
  readonly by?: string;
}

/** @param given The arguments of the call; `by` names the initiator. */
export function callOf(what: string, target: string, result: AuditResult, given: object): ApplicationCall {
  const { by, ...parameters } = given as { readonly by?: string };
  const hasParameters = Object.values(parameters).some(value => value !== undefined);
  return { what, target, result, ...(hasParameters && { parameters }), ...(by !== undefined && { by }) };
}
