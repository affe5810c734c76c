import type { AddressInfo } from 'node:net';

import { DEFAULT_ROUTES, VERSION } from 'nestjs-heartbeat/tooling';

import { clientTokenStep } from './client-token-command.js';
import type { Settings } from './environment.js';

/** Where everything is, as seen from this machine. */
export interface Addresses {
  readonly http: string;
  readonly webSocket: string;
  readonly health: string;
  readonly admin: string;
  readonly docs: string;
}

/**
 * @param bound What the socket really has, which is not known before with PORT=0.
 * @param admin The same for ADMIN_PORT; null without one.
 */
export function addressesOf(bound: AddressInfo, wsPath: string, admin: AddressInfo | null = null): Addresses {
  const host = hostOf(bound);
  const http = `http://${host}`;
  const own = admin === null ? http : `http://${hostOf(admin)}`;
  return {
    http,
    webSocket: `ws://${host}${wsPath}`,
    health: `${http}${String(DEFAULT_ROUTES.health)}`,
    admin: `${own}${String(DEFAULT_ROUTES.admin)}`,
    docs: `${own}/docs`,
  };
}

function hostOf({ address, port, family }: AddressInfo): string {
  const host = isEveryInterface(address) ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `${host}:${port}`;
}

type Greeted = Pick<Settings, 'wsPath' | 'logFormat' | 'generatedToken' | 'tokenSource' | 'clientTokens'>;

/** The greeting of a server that listens: a text for people, and for programs one line of JSON like Nest's own, without a token. */
export function greeting(
  bound: AddressInfo,
  settings: Greeted,
  admin: AddressInfo | null = null,
  node: string | null = null,
): string {
  const addresses = addressesOf(bound, settings.wsPath, admin);
  return settings.logFormat === 'json' ? asJson(addresses, node) : asText(addresses, bound, settings);
}

function asJson(addresses: Addresses, node: string | null): string {
  return `${JSON.stringify({
    level: 'log',
    pid: process.pid,
    timestamp: Date.now(),
    message: `listening on ${addresses.http}`,
    context: 'Server',
    ...(node !== null && { node }),
    version: VERSION,
    ...addresses,
  })}\n`;
}

const TOKEN_TEXTS: Readonly<Record<Settings['tokenSource'], string>> = {
  variable: 'the value of ADMIN_TOKEN; export ADMIN_TOKEN in each of the terminals below first',
  file: 'the content of the file ADMIN_TOKEN_FILE; export ADMIN_TOKEN_FILE in each of the terminals below first',
  generated: 'made for this run, below; set ADMIN_TOKEN or ADMIN_TOKEN_FILE to keep one',
  nowhere:
    'none, and no access to the admin API: set ADMIN_TOKEN or ADMIN_TOKEN_FILE (only a terminal is shown a generated one)',
};

function asText(
  addresses: Addresses,
  bound: AddressInfo,
  { generatedToken, tokenSource, clientTokens }: Greeted,
): string {
  const client = clientTokenStep(clientTokens);
  const nameClientToken = client === null ? '' : `\n  0. ${client.title}\n     ${client.command}`;
  const everywhere = isEveryInterface(bound.address) ? '  (and on every other address of this machine)' : '';
  const nameToken =
    generatedToken === null
      ? ''
      : `
  0. Export the token, in each of these terminals:
     export ADMIN_TOKEN=${generatedToken}`;
  return `
  The server listens on ${addresses.http}${everywhere}

    WebSocket    ${addresses.webSocket}
    Health       ${addresses.health}
    Admin API    ${addresses.admin}/connections
    API docs     ${addresses.docs}
    Admin token  ${TOKEN_TEXTS[tokenSource]}

  Try it, each line in another terminal, from the repository:
${nameToken}${nameClientToken}
  1. Open a connection and leave it open:
     ${openConnection(addresses, client !== null)}
  2. See it:
     ${curl(tokenSource, `${addresses.admin}/connections`)}
  3. Kick the oldest one:
     ${kickOldest(addresses, tokenSource)}

  Ctrl-C drains and ends the server.

`;
}

function openConnection({ webSocket }: Addresses, withToken: boolean): string {
  // From the environment, as the tokens of the lines below: other users of the machine can read the arguments of a process.
  const options = withToken ? ", { headers: { authorization: 'Bearer ' + process.env.CLIENT_TOKEN } }" : '';
  const script =
    `new (require('ws'))('${webSocket}'${options}).on('open', function () { this.send(JSON.stringify({ event: 'echo', data: 'hello' })) })` +
    `.on('message', data => console.log(String(data))).on('close', (code, reason) => console.log('closed', code, String(reason)))`;
  return `node -e "${script}"`;
}

function kickOldest({ admin }: Addresses, source: Settings['tokenSource']): string {
  const firstId = `${curl(source, `'${admin}/connections?limit=1'`)} | node -p "JSON.parse(fs.readFileSync(0)).items[0].id"`;
  return curl(source, `-X DELETE "${admin}/connections/$(${firstId})"`);
}

/** A command with the token as a header from its standard input: other users of the machine can read the arguments of a process. */
function curl(source: Settings['tokenSource'], rest: string): string {
  const token = source === 'file' ? '$(cat "$ADMIN_TOKEN_FILE")' : '$ADMIN_TOKEN';
  return `printf 'Authorization: Bearer %s' "${token}" | curl -s -H @- ${rest}`;
}

function isEveryInterface(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
