import { z } from 'zod';

import { wireText } from '../base/wire-values.js';

export const findingSchema = z.object({
  /** Stable, to be compared by programs. */
  id: wireText.meta({ description: 'Stable, to be compared by programs.' }),
  /** `error`: breaks a guarantee. `warn`: may break one. `info`: useful to know, or unknown. */
  severity: z.enum(['ok', 'info', 'warn', 'error']),
  title: wireText,
  /** The numbers that were read, and their source. */
  evidence: wireText.meta({ description: 'The numbers that were read, and their source.' }),
  /** The consequence of the problem. */
  why: wireText.meta({ description: 'The consequence of the problem.' }),
  /** The command or the setting that solves the problem. */
  remedy: wireText.meta({ description: 'The command or the setting that solves the problem.' }),
});
/** The result of one check. */
export interface Finding extends Readonly<z.output<typeof findingSchema>> {}
export type Severity = Finding['severity'];

/** The constant part of a finding. */
export type Subject = Pick<Finding, 'id' | 'title' | 'why'>;

const NOTHING_TO_DO = 'Nothing to do.';

export function ok(subject: Subject, evidence: string): Finding {
  return { ...subject, severity: 'ok', evidence, remedy: NOTHING_TO_DO };
}

export function finding(
  severity: Exclude<Severity, 'ok'>,
  subject: Subject,
  evidence: string,
  remedy: string,
): Finding {
  return { ...subject, severity, evidence, remedy };
}

/** A finding for a value that cannot be read, which is not a fault of the node. */
export function unreadable(subject: Subject, source: string, remedy = NOTHING_TO_DO): Finding {
  return { ...subject, severity: 'info', evidence: `${source} cannot be read here`, remedy };
}

const ORDER: readonly Severity[] = ['error', 'warn', 'info', 'ok'];

/** Sorts by severity, the most severe first. Findings of equal severity keep their order. */
export function byGravity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity));
}
