import type { AddressInfo } from 'node:net';

import { DEFAULT_ROUTES } from 'nestjs-heartbeat';

import type { Settings } from './environment.js';

/** Where everything is, as seen from this machine. */
export interface Addresses {
  readonly http: string;
  readonly webSocket: string;
  readonly health: string;
  readonly admin: string;
  readonly docs: string;
}

/** @param bound What the socket really has, which with PORT=0 nobody knew before. */
export function addressesOf({ address, port, family }: AddressInfo, wsPath: string): Addresses {
  const host = isEveryInterface(address) ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  const http = `http://${host}:${port}`;
  return {
    http,
    webSocket: `ws://${host}:${port}${wsPath}`,
    health: `${http}${String(DEFAULT_ROUTES.health)}`,
    admin: `${http}${String(DEFAULT_ROUTES.admin)}`,
    docs: `${http}/docs`,
  };
}

/** What the server says once it listens: to people in words, to programs as one line of JSON like Nest's own. */
export function greeting(
  bound: AddressInfo,
  settings: Pick<Settings, 'wsPath' | 'logFormat' | 'generatedToken'>,
): string {
  const addresses = addressesOf(bound, settings.wsPath);
  return settings.logFormat === 'json' ? asJson(addresses, settings) : asText(addresses, bound, settings);
}

function asJson(addresses: Addresses, { generatedToken }: Pick<Settings, 'generatedToken'>): string {
  return `${JSON.stringify({
    level: 'log',
    pid: process.pid,
    timestamp: Date.now(),
    message: `listening on ${addresses.http}`,
    context: 'Server',
    ...addresses,
    ...(generatedToken !== null && { adminToken: generatedToken }),
  })}\n`;
}

function asText(
  addresses: Addresses,
  bound: AddressInfo,
  { generatedToken }: Pick<Settings, 'generatedToken'>,
): string {
  const everywhere = isEveryInterface(bound.address) ? '  (and on every other address of this machine)' : '';
  const token =
    generatedToken === null
      ? 'what ADMIN_TOKEN holds; the lines below read it from there'
      : `${generatedToken}  (made for this run; set ADMIN_TOKEN to keep one)`;
  return `
  The server listens on ${addresses.http}${everywhere}

    WebSocket    ${addresses.webSocket}
    Health       ${addresses.health}
    Admin API    ${addresses.admin}/connections
    API docs     ${addresses.docs}
    Admin token  ${token}

  Try it, each line in another terminal, from the repository:

  1. Open a connection and leave it open:
     ${openConnection(addresses)}
  2. See it:
     curl -s ${authorization(generatedToken)} ${addresses.admin}/connections
  3. Kick the oldest one:
     ${kickOldest(addresses, generatedToken)}

  Ctrl-C drains and ends the server.

`;
}

function openConnection({ webSocket }: Addresses): string {
  const script =
    `new (require('ws'))('${webSocket}').on('open', function () { this.send(JSON.stringify({ event: 'echo', data: 'hello' })) })` +
    `.on('message', data => console.log(String(data))).on('close', (code, reason) => console.log('closed', code, String(reason)))`;
  return `node -e "${script}"`;
}

function kickOldest({ admin }: Addresses, generatedToken: string | null): string {
  const header = authorization(generatedToken);
  const firstId = `curl -s ${header} '${admin}/connections?limit=1' | node -p "JSON.parse(fs.readFileSync(0)).items[0].id"`;
  return `curl -s -X DELETE ${header} "${admin}/connections/$(${firstId})"`;
}

function authorization(generatedToken: string | null): string {
  return `-H "Authorization: Bearer ${generatedToken ?? '$ADMIN_TOKEN'}"`;
}

function isEveryInterface(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
