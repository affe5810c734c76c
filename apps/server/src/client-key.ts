import { readFileSync } from 'node:fs';

import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Problem } from 'nestjs-heartbeat';

/** What clients' tokens are checked with: a secret (its UTF-8 bytes, for HS256, HS384 and HS512), or a set of public keys. */
export type ClientKey = { readonly secret: string } | { readonly jwks: JSONWebKeySet };

/** How clients prove who they are. */
export interface ClientTokenSettings {
  readonly key: ClientKey;
  /** Whether a client may come in without a token. */
  readonly allowAnonymous: boolean;
  /** Whether a token may stand in the query, where proxies may log it. */
  readonly allowQueryToken: boolean;
}

/** The key from JWT_SECRET or JWKS_FILE; null where neither is set. What is wrong with them is added to `problems`. */
export function readClientKey(given: Readonly<Record<string, string>>, problems: Problem[]): ClientKey | null {
  const { JWT_SECRET, JWKS_FILE } = given;
  if (JWT_SECRET !== undefined && JWKS_FILE !== undefined) {
    problems.push({
      key: 'JWKS_FILE',
      value: JWKS_FILE,
      rule: 'must not be set beside JWT_SECRET',
      remedy: 'unset one of the two',
    });
    return null;
  }
  if (JWT_SECRET !== undefined) return { secret: JWT_SECRET };
  if (JWKS_FILE !== undefined) return readKeys(JWKS_FILE, problems);
  for (const key of ['ALLOW_ANONYMOUS', 'ALLOW_QUERY_TOKEN'].filter(name => given[name] === 'true')) {
    problems.push({
      key,
      value: 'true',
      rule: 'does nothing without JWT_SECRET or JWKS_FILE',
      remedy: 'unset it, or set one of them',
    });
  }
  return null;
}

function readKeys(file: string, problems: Problem[]): ClientKey | null {
  try {
    const jwks = parsed(readFileSync(file, 'utf8')) as JSONWebKeySet;
    createLocalJWKSet(jwks);
    if (jwks.keys.length === 0) throw new Error('it holds no key, and nobody could come in');
    if (jwks.keys.some(key => 'd' in key || 'k' in key)) throw new Error('it holds a key that must stay secret');
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

/** Never says what it has read: the file may hold a secret. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
}
