/** `error`: breaks a guarantee. `warn`: may break one. `info`: useful to know, or unknown. */
export type Severity = 'ok' | 'info' | 'warn' | 'error';

/** The result of one check. */
export interface Finding {
  /** Stable, to be compared by programs. */
  readonly id: string;
  readonly severity: Severity;
  readonly title: string;
  /** The numbers that were read, and their source. */
  readonly evidence: string;
  /** The consequence of the problem. */
  readonly why: string;
  /** The command or the setting that solves the problem. */
  readonly remedy: string;
}

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
