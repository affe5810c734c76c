import { createSecretKey } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { createLocalJWKSet, errors, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Authenticate, Authentication, Identity } from 'nestjs-heartbeat';

import type { ClientTokenSettings } from './client-key.js';

/** The subprotocol that this server speaks, and the beginning of the one that carries a token for browsers. */
export const SUBPROTOCOL = 'heartbeat.v1';
const TOKEN_SUBPROTOCOL = 'bearer.';

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const SYMMETRIC = ['HS256', 'HS384', 'HS512'];

/** Checks clients' tokens, at the door and when one is renewed. */
export class ClientTokens {
  readonly #verify: (token: string) => ReturnType<typeof jwtVerify>;

  constructor(private readonly settings: ClientTokenSettings) {
    const { key } = settings;
    if ('secret' in key) {
      const secret = createSecretKey(Buffer.from(key.secret, 'utf8'));
      this.#verify = token => jwtVerify(token, secret, options(SYMMETRIC));
    } else {
      const keys = createLocalJWKSet(key.jwks);
      this.#verify = token => jwtVerify(token, keys, options(ASYMMETRIC));
    }
  }

  /** The hook for the library's option of this name. */
  readonly authenticate: Authenticate = async (request: IncomingMessage): Promise<Authentication> => {
    const token = tokenOf(request, this.settings.allowQueryToken);
    if (token === null) return this.settings.allowAnonymous ? 'anonymous' : null;
    return this.identityOf(token);
  };

  /** Whose token this is: `sub` and `exp`; null for one that is wrong in any way, which is not told further. */
  async identityOf(token: string): Promise<Identity | null> {
    try {
      const { sub, exp } = (await this.#verify(token)).payload;
      // A signed token may hold anything in its place.
      if (typeof sub !== 'string' || sub === '') return null;
      return { userId: sub, ...(exp !== undefined && { expiresAt: exp * 1000 }) };
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}

function options(algorithms: string[]): JWTVerifyOptions {
  return { algorithms };
}

/** The header first, then the subprotocol, then the query where that is allowed. */
function tokenOf({ headers, url = '' }: IncomingMessage, allowQueryToken: boolean): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map(protocol => protocol.trim());
  const carrier = protocols.find(protocol => protocol.startsWith(TOKEN_SUBPROTOCOL));
  if (carrier !== undefined) return carrier.slice(TOKEN_SUBPROTOCOL.length);
  if (!allowQueryToken) return null;
  return new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('access_token');
}
