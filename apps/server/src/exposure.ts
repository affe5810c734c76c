import { BlockList, isIP } from 'node:net';

import type { Settings } from './environment.js';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Warnings for the start: by these settings, clients of other machines are admitted without an identity. Empty where each of them
 * must show a token, and where only this machine reaches the server.
 */
export function exposureOf({ host, clientTokens }: Pick<Settings, 'host' | 'clientTokens'>): string[] {
  if (isLoopback(host)) return [];
  if (clientTokens === null) {
    return [
      `every client is anonymous, and HOST=${host} admits clients of other machines: set JWT_SECRET, JWT_SECRET_FILE or JWKS_FILE, ` +
        'or HOST=127.0.0.1 for this machine alone',
    ];
  }
  if (!clientTokens.allowAnonymous) return [];
  return [
    `anonymous clients of other machines are admitted, by ALLOW_ANONYMOUS=true and HOST=${host}: unset it unless they are meant`,
  ];
}

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
