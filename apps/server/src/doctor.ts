import 'reflect-metadata';

import { examine, resolveOptions, thisSystem } from 'nestjs-heartbeat';

import { ClientTokens } from './client-tokens.js';
import { doctorReport } from './doctor-report.js';
import { EnvironmentError, readEnvironment } from './environment.js';
import { withExposure } from './exposure.js';

/**
 * `npm run doctor`: what would hurt a server that is started in this environment, on this machine. Status 1 when something
 * would break.
 */
function diagnose(): void {
  const settings = readEnvironment(process.env);
  const { host, options, clientTokens, generatedToken } = settings;
  // A token that is made at each start is none that an operator has set.
  const admin = generatedToken === null ? options.admin : { ...options.admin, tokens: [] };
  const authenticate = clientTokens && new ClientTokens(clientTokens).authenticate;
  const findings = examine({
    options: resolveOptions({ ...options, admin, ...(authenticate && { authenticate }) }),
    system: thisSystem,
    proxyHeaderSeen: null,
    listensOn: host,
    hasAdminPort: settings.adminPort !== null,
  });
  const all = withExposure(findings, settings);
  process.stdout.write(doctorReport(all));
  process.exitCode = all.some(({ severity }) => severity === 'error') ? 1 : 0;
}

try {
  diagnose();
} catch (error) {
  console.error(error instanceof EnvironmentError ? error.message : error);
  process.exitCode = 1;
}
