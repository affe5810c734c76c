/** JWTs made by hand, and clients that show them to the reference server. */
import { createHmac } from 'node:crypto';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';

const ADMIN_TOKEN = 'an-operator-of-this-test';
export const SECRET = 'ein Schlüssel, dessen UTF-8 mehr Bytes hat als Zeichen';

export type Claims = Readonly<Record<string, unknown>>;

const clients: RawClient[] = [];
/** Every token that a client has shown; none may turn up anywhere. */
export const shown: string[] = [];

/** Ends the clients of a test. */
export function endClients(): void {
  for (const client of clients.splice(0)) client.destroy();
}

export function base64url(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** Seconds since 1970, as JWTs count. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

export const VALID: Claims = { sub: 'ann', exp: inSeconds(3600) };

export function hmacToken(
  claims: unknown,
  { alg = 'HS256', secret = SECRET, header }: { alg?: string; secret?: string; header?: Claims } = {},
): string {
  const head = `${base64url(header ?? { alg, typ: 'JWT' })}.${base64url(claims)}`;
  const signature = createHmac(`sha${alg.slice(2)}`, Buffer.from(secret, 'utf8'))
    .update(head)
    .digest('base64url');
  return kept(`${head}.${signature}`);
}

export function kept(token: string): string {
  shown.push(token);
  return token;
}

export async function startServer(env: Record<string, string>): Promise<ServerProcess> {
  return ServerProcess.start({
    env: { ADMIN_TOKEN, LOG_LEVEL: 'verbose', REAPER_CRON: '* * * * * *', ...env },
  });
}

export function clientOf({ port }: ServerProcess, headers: Record<string, string> = {}, query = ''): RawClient {
  const client = new RawClient({ port, path: `/ws${query}`, headers });
  clients.push(client);
  return client;
}

export function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
}

export async function admin({ port }: ServerProcess, path: string) {
  return ask({ port, path: `/admin${path}`, headers: bearer(ADMIN_TOKEN) });
}

/** The users of the open connections, as an operator sees them. */
export async function usersOf(server: ServerProcess): Promise<(string | null)[]> {
  const { json } = await admin(server, '/connections');
  return (json as { items: { userId: string | null }[] }).items.map(({ userId }) => userId);
}
