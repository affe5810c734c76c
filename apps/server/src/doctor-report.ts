import type { Finding, Severity } from 'nestjs-heartbeat/tooling';

import { namingVariables } from './option-variables.js';

const SEVERITIES: readonly Severity[] = ['error', 'warn', 'info', 'ok'];

/** The findings for people, options by the names of their variables: what is well in a line, the rest with why and what to do. */
export function doctorReport(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ id }) => id.length));
  const blocks = findings.map(finding => {
    const { severity, id, title, evidence, why, remedy } = inVariables(finding);
    const line = `${severity.padEnd(5)}  ${id.padEnd(width)}  ${title}: ${evidence}\n`;
    return severity === 'ok' ? line : `${line}       why: ${why}\n       do:  ${remedy}\n`;
  });
  const counts = SEVERITIES.map(
    severity => `${findings.filter(found => found.severity === severity).length} ${severity}`,
  );
  return `${blocks.join('')}\n${counts.join(', ')}\n`;
}

function inVariables(finding: Finding): Finding {
  const { evidence, why, remedy } = finding;
  return { ...finding, evidence: translate(evidence), why: translate(why), remedy: translate(remedy) };
}

function translate(text: string): string {
  const { rule } = namingVariables({ key: '', value: '', rule: text, remedy: '' });
  return rule.replaceAll('admin.tokens', 'ADMIN_TOKEN').replaceAll(/\bauthenticate\b/g, 'JWT_SECRET or JWKS_FILE');
}
