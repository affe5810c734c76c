import 'reflect-metadata';

import { resolveOptions, runChecks, thisSystem } from 'nestjs-heartbeat/tooling';

import { ClientTokens } from './client-tokens.js';
import { doctorReport } from './doctor-report.js';
import { EnvironmentError, readEnvironment } from './environment.js';

/**
 * `npm run doctor`: what would hurt a server that is started in this environment, on this machine. Status 1 when something
 * would break.
 */
function diagnose(): void {
  const { host, adminPort, options, clientTokens, generatedToken } = readEnvironment(process.env);
  // A token that is made at each start is none that an operator has set.
  const admin = generatedToken === null ? options.admin : { ...options.admin, tokens: [] };
  const authenticate = clientTokens && new ClientTokens(clientTokens).authenticate;
  const findings = runChecks({
    options: resolveOptions({ ...options, admin, ...(authenticate && { authenticate }) }),
    system: thisSystem,
    proxyHeaderSeen: null,
    listensOn: host,
    hasAdminPort: adminPort !== null,
  });
  process.stdout.write(doctorReport(findings));
  process.exitCode = findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

try {
  diagnose();
} catch (error) {
  console.error(error instanceof EnvironmentError ? error.message : error);
  process.exitCode = 1;
}
