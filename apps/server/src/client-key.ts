import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { createLocalJWKSet, type JSONWebKeySet, type JWK } from 'jose';
import type { Problem } from 'nestjs-heartbeat';

import type { Variables } from './variable-names.js';

/** The key that verifies clients' tokens: a secret (its UTF-8 bytes, for HS256, HS384 and HS512), or a set of public keys. */
export type ClientKey = { readonly secret: string } | { readonly jwks: JSONWebKeySet };

/** Algorithms of tokens that are checked with a secret, and of those that are checked with public keys. */
export const SYMMETRIC = ['HS256', 'HS384', 'HS512'];
export const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** As long as the hash of HS256: a shorter secret can be found from one token (RFC 7518, section 3.2). */
const SHORTEST_SECRET_BYTES = 32;
/** RFC 7518, section 3.3. */
const SHORTEST_RSA_BITS = 2048;
const CURVES = new Set(['P-256', 'P-384', 'P-521', 'Ed25519']);
const KEY_VARIABLES = new Set(['JWT_SECRET', 'JWT_SECRET_FILE', 'JWKS_FILE']);
/** Variables that say something about client tokens, which without a key are not read at all. */
const NEED_A_KEY = ['ALLOW_ANONYMOUS', 'ALLOW_QUERY_TOKEN', 'JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_TYPE', 'JWT_MAX_AGE_S'];

/**
 * The key from JWT_SECRET or JWKS_FILE; null where neither is set. Problems are added to `problems`.
 * @param given With the content of JWT_SECRET_FILE as JWT_SECRET.
 */
export function readClientKey(given: Variables, problems: Problem[]): ClientKey | null {
  const { JWT_SECRET, JWT_SECRET_FILE, JWKS_FILE } = given;
  if ((JWT_SECRET ?? JWT_SECRET_FILE) !== undefined && JWKS_FILE !== undefined) {
    const name = JWT_SECRET_FILE === undefined ? 'JWT_SECRET' : 'JWT_SECRET_FILE';
    const rule = `must not be set beside ${name}`;
    problems.push({ key: 'JWKS_FILE', value: JWKS_FILE, rule, remedy: 'unset one of the two' });
    return null;
  }
  if (JWT_SECRET !== undefined) return secretKey(given, JWT_SECRET, problems);
  if (JWKS_FILE !== undefined) return readKeys(JWKS_FILE, problems);
  // A key variable that is empty, or a file that cannot be read, is reported already.
  if (problems.some(({ key }) => KEY_VARIABLES.has(key))) return null;
  for (const key of NEED_A_KEY.filter(name => given[name] !== undefined)) {
    const rule = 'has no effect without JWT_SECRET or JWKS_FILE: every client is anonymous';
    problems.push({ key, value: given[key], rule, remedy: 'set one of them, or unset it' });
  }
  return null;
}

function secretKey(given: Variables, secret: string, problems: Problem[]): ClientKey | null {
  const fault = faultOf(secret);
  if (fault === null) return { secret };
  const key = given['JWT_SECRET_FILE'] === undefined ? 'JWT_SECRET' : 'JWT_SECRET_FILE';
  problems.push({ key, value: '(hidden)', ...fault });
  return null;
}

/** Why a text is no secret: it is too short, or public by its nature. */
function faultOf(secret: string): Pick<Problem, 'rule' | 'remedy'> | null {
  const inFile = 'put public keys as {"keys":[…]} (RFC 7517) into a file, and set JWKS_FILE to its path';
  if (/^https?:\/\//i.test(secret.trim())) return { rule: 'is a URL, and must be a secret', remedy: inFile };
  if (isKeyText(secret.trim()))
    return { rule: 'is a key in PEM, DER or JWK form, and must be a secret', remedy: inFile };
  if (Buffer.byteLength(secret) >= SHORTEST_SECRET_BYTES) return null;
  const rule = `must have ${SHORTEST_SECRET_BYTES} bytes or more, as many as the hash of HS256 (RFC 7518, section 3.2)`;
  return { rule, remedy: 'make one with openssl rand -base64 48, for the issuer of the tokens too' };
}

function isKeyText(text: string): boolean {
  if (/^-----BEGIN |^ssh-\w+ /.test(text)) return true;
  if (text.startsWith('{')) return /"(kty|keys)"\s*:/.test(text);
  if (!/^MI[\w+/=\s-]+$/.test(text)) return false;
  try {
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' }).type === 'public';
  } catch {
    return false;
  }
}

function readKeys(file: string, problems: Problem[]): ClientKey | null {
  try {
    const jwks = parsed(readFileSync(file, 'utf8')) as JSONWebKeySet;
    createLocalJWKSet(jwks);
    if (jwks.keys.length === 0) throw new Error('it holds no key, so that no client could be admitted');
    if (jwks.keys.some(key => 'd' in key || 'k' in key)) throw new Error('it holds a key that must stay secret');
    // Sets of identity providers also hold keys for other purposes, which are ignored (RFC 7517, section 5).
    if (!jwks.keys.some(isUsable)) throw new Error(`it holds no key for ${ASYMMETRIC.join(', ')}`);
    return { jwks };
  } catch (error) {
    const rule = `must name a file with a JSON Web Key Set of public keys (${error instanceof Error ? error.message : String(error)})`;
    problems.push({
      key: 'JWKS_FILE',
      value: file,
      rule,
      remedy: 'correct the path or the file: {"keys":[…]} (RFC 7517)',
    });
    return null;
  }
}

function isUsable(key: JWK): boolean {
  if (key.use !== undefined && key.use !== 'sig') return false;
  if (key.key_ops !== undefined && !key.key_ops.includes('verify')) return false;
  if (key.alg !== undefined && !ASYMMETRIC.includes(key.alg)) return false;
  if (key.kty !== 'RSA' && !CURVES.has(key.crv ?? '')) return false;
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key: { ...key }, format: 'jwk' });
    return key.kty !== 'RSA' || (asymmetricKeyDetails?.modulusLength ?? 0) >= SHORTEST_RSA_BITS;
  } catch {
    return false;
  }
}

/** Never shows the content: the file may hold a secret. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(text.startsWith('-----BEGIN ') ? 'it is PEM, not JSON' : 'it is not JSON');
  }
}
