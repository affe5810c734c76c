/** `error`: will break what was promised. `warn`: may. `info`: worth knowing, or could not be found out. */
export type Severity = 'ok' | 'info' | 'warn' | 'error';

/** One thing that was looked at. */
export interface Finding {
  /** Stable, for programs. */
  readonly id: string;
  readonly severity: Severity;
  readonly title: string;
  /** The numbers that were read, and where. */
  readonly evidence: string;
  /** Why it matters. */
  readonly why: string;
  /** The command or the setting that cures it. */
  readonly remedy: string;
}

/** What stays the same of a finding, whatever was read. */
export type Subject = Pick<Finding, 'id' | 'title' | 'why'>;

const NOTHING_TO_DO = 'Nothing to do.';

export function ok(subject: Subject, evidence: string): Finding {
  return { ...subject, severity: 'ok', evidence, remedy: NOTHING_TO_DO };
}

/** @param told What is to be done. */
export function trouble(severity: Exclude<Severity, 'ok'>, subject: Subject, evidence: string, told: string): Finding {
  return { ...subject, severity, evidence, remedy: told };
}

/** Something that could not be read; that is no fault of the node. */
export function unreadable(subject: Subject, source: string, remedy = NOTHING_TO_DO): Finding {
  return { ...subject, severity: 'info', evidence: `${source} cannot be read here`, remedy };
}

const ORDER: readonly Severity[] = ['error', 'warn', 'info', 'ok'];

/** The gravest first; among equals the order stays. */
export function byGravity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity));
}
