import { createSecretKey } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { Logger } from '@nestjs/common';
import { createLocalJWKSet, errors, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Authenticate, Authentication, Identity, Problem } from 'nestjs-heartbeat';

import { ASYMMETRIC, type ClientKey, readClientKey, SYMMETRIC } from './client-key.js';
import { RefusalLog } from './refusal-log.js';
import { judge, readTokenRules, type TokenRules } from './token-rules.js';
import type { Variables } from './variable-names.js';

/** The subprotocol that this server speaks, and the beginning of the one that carries a token for browsers. */
export const SUBPROTOCOL = 'heartbeat.v1';
const TOKEN_SUBPROTOCOL = 'bearer.';

/** How clients prove their identity. */
export interface ClientTokenSettings {
  readonly key: ClientKey;
  readonly rules: TokenRules;
  /** Whether a client without a token is admitted. */
  readonly allowAnonymous: boolean;
  /** Whether a token may stand in the query, where proxies may log it. */
  readonly allowQueryToken: boolean;
}

/** Null where every client is anonymous. Problems are added to `problems`. */
export function readClientTokens(given: Variables, problems: Problem[]): ClientTokenSettings | null {
  const key = readClientKey(given, problems);
  const rules = readTokenRules(given, problems);
  const [allowAnonymous, allowQueryToken] = [
    given['ALLOW_ANONYMOUS'] === 'true',
    given['ALLOW_QUERY_TOKEN'] === 'true',
  ];
  return key && { key, rules, allowAnonymous, allowQueryToken };
}

/** Checks clients' tokens, at the upgrade and when one is renewed, by the same rules. */
export class ClientTokens {
  /** The hook for the library's option of this name. */
  readonly authenticate: Authenticate;
  readonly #verify: (token: string) => ReturnType<typeof jwtVerify>;
  readonly #wrongAlgorithm: string;

  constructor(
    private readonly settings: ClientTokenSettings,
    private readonly refusals = logged(),
  ) {
    const { key, rules, allowAnonymous: admitsAnonymous } = settings;
    const authenticate = (request: IncomingMessage) => this.#authenticationOf(request);
    this.authenticate = Object.assign(authenticate, { admitsAnonymous });
    if ('secret' in key) {
      const secret = createSecretKey(Buffer.from(key.secret, 'utf8'));
      this.#verify = token => jwtVerify(token, secret, options(SYMMETRIC, rules));
      this.#wrongAlgorithm = `its alg is none of JWT_SECRET (${SYMMETRIC.join(', ')}): tokens of public keys need JWKS_FILE`;
    } else {
      const keys = createLocalJWKSet(key.jwks);
      this.#verify = token => jwtVerify(token, keys, options(ASYMMETRIC, rules));
      this.#wrongAlgorithm = `its alg is none of JWKS_FILE (${ASYMMETRIC.join(', ')}): tokens of a secret need JWT_SECRET`;
    }
  }

  /** The identity that a token proves: `sub`, `exp` and `labels`; null for a token that is refused. The reason is logged, not sent. */
  async identityOf(token: string): Promise<Identity | null> {
    try {
      const { protectedHeader, payload } = await this.#verify(token);
      const judgement = judge(protectedHeader, payload, this.settings.rules);
      if ('identity' in judgement) return judgement.identity;
      this.refusals.refused(judgement.refusal);
    } catch (error) {
      // A token that no rule foresaw is refused as well: whatever fails here, the client must not be admitted.
      this.refusals.refused(this.#reasonOf(error));
    }
    return null;
  }

  async #authenticationOf(request: IncomingMessage): Promise<Authentication> {
    const token = tokenOf(request, this.settings.allowQueryToken);
    if (token === null) return this.settings.allowAnonymous ? 'anonymous' : null;
    return this.identityOf(token);
  }

  /** In words of our own: those of an error may repeat what the token holds. */
  #reasonOf(error: unknown): string {
    if (error instanceof errors.JOSEAlgNotAllowed) return this.#wrongAlgorithm;
    if (error instanceof errors.JWTExpired) return error.claim === 'iat' ? TOO_OLD : 'it has expired';
    if (error instanceof errors.JWTClaimValidationFailed) return CLAIM_REASONS[error.claim] ?? 'a claim is wrong';
    if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is not of the configured key';
    if (error instanceof errors.JWKSNoMatchingKey) return 'no key of JWKS_FILE has its kid and alg';
    if (error instanceof errors.JWKSMultipleMatchingKeys) return 'it has no kid, and several keys of JWKS_FILE match';
    if (error instanceof errors.JOSEError) return 'it is no JWT that can be read';
    return 'its key or algorithm cannot be used';
  }
}

const TOO_OLD = 'it is older than JWT_MAX_AGE_S';
const CLAIM_REASONS: Readonly<Record<string, string>> = {
  exp: 'its exp is missing, or no number',
  nbf: 'its nbf is not yet reached, or no number',
  iat: 'its iat is missing, no number, or in the future',
  iss: 'its iss is missing, or none of JWT_ISSUER',
  aud: 'its aud is missing, or holds none of JWT_AUDIENCE',
  typ: 'its header typ is not JWT_TYPE',
};

function logged(): RefusalLog {
  const logger = new Logger('ClientTokens');
  return new RefusalLog(line => logger.log(line));
}

function options(algorithms: string[], { issuers, audiences, type, maxAgeS }: TokenRules): JWTVerifyOptions {
  return {
    algorithms,
    requiredClaims: ['exp'],
    ...(issuers && { issuer: issuers }),
    ...(audiences && { audience: audiences }),
    ...(type !== null && { typ: type }),
    ...(maxAgeS !== null && { maxTokenAge: maxAgeS }),
  };
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
