import type { JWTHeaderParameters, JWTPayload } from 'jose';
import type { Identity, Problem } from 'nestjs-heartbeat';

import type { Variables } from './variable-names.js';

/** The claims that a client token must have beside a valid signature (RFC 8725, sections 3.8 to 3.12). Null: not configured. */
export interface TokenRules {
  /** `iss` must be one of these. */
  readonly issuers: string[] | null;
  /** `aud` must hold one of these. Where it is null a token with an `aud` is refused (RFC 7519, section 4.1.3). */
  readonly audiences: string[] | null;
  /** The header's `typ`. Where it is null, `JWT`, `at+jwt` (RFC 9068) and none are admitted. */
  readonly type: string | null;
  /** Seconds after `iat` for which a token counts. */
  readonly maxAgeS: number | null;
}

/** A token of whatever issuer and age, for no audience. */
export const NO_RULES: TokenRules = { issuers: null, audiences: null, type: null, maxAgeS: null };

/** The latest moment that a `Date` holds, in seconds. */
const LATEST_S = 8.64e12;
const ACCESS_TYPES = ['jwt', 'at+jwt'];
/** Claims by which issuers name the kind of a token (Keycloak `typ`, Cognito `token_use`, many libraries `token_type`). */
const KIND_CLAIMS = ['typ', 'token_use', 'tokenUse', 'token_type', 'tokenType'];
const ACCESS_KINDS = [...ACCESS_TYPES, 'access', 'access_token', 'bearer'];
/** Claims with other meanings too, of which only these values name another kind of token. */
const LOOSE_KIND_CLAIMS = ['type', 'purpose', 'use', 'kind'];
const OTHER_KIND =
  /refresh|offline|logout|\bid\b|id[_-]?token|reset|verif|confirm|invit|activat|magic|(?<![a-z])([2m]fa|otp)(?![a-z])/i;
/** A scope that admits to nothing but another token. */
const REFRESH_SCOPE = /^refresh([_-]?token)?$/i;
const SCOPE_CLAIMS = ['scope', 'scopes', 'scp'];
/** Hashes that only ID tokens have (OpenID Connect Core, sections 3.1.3.6 and 3.3.2.11). */
const ID_TOKEN_CLAIMS = ['at_hash', 'c_hash', 's_hash'];

/** Reads JWT_ISSUER, JWT_AUDIENCE (lists separated by commas), JWT_TYPE and JWT_MAX_AGE_S. */
export function readTokenRules(given: Variables, problems: Problem[]): TokenRules {
  const { JWT_TYPE, JWT_MAX_AGE_S } = given;
  if (JWT_TYPE !== undefined && !/^[\w!#$&^.+/-]{1,127}$/.test(JWT_TYPE)) {
    const rule = 'must be a media type such as at+jwt';
    problems.push({ key: 'JWT_TYPE', value: JWT_TYPE, rule, remedy: 'set the typ of the issuer’s access tokens' });
  }
  if (JWT_MAX_AGE_S !== undefined && !/^[1-9]\d{0,8}$/.test(JWT_MAX_AGE_S)) {
    const rule = 'must be a whole number of seconds from 1 to 999999999';
    problems.push({ key: 'JWT_MAX_AGE_S', value: JWT_MAX_AGE_S, rule, remedy: 'correct it, or unset it' });
  }
  return {
    issuers: list('JWT_ISSUER', given, problems),
    audiences: list('JWT_AUDIENCE', given, problems),
    type: JWT_TYPE ?? null,
    maxAgeS: JWT_MAX_AGE_S === undefined ? null : Number(JWT_MAX_AGE_S),
  };
}

function list(key: string, given: Variables, problems: Problem[]): string[] | null {
  const text = given[key];
  if (text === undefined) return null;
  const items = text.split(',').map(item => item.trim());
  if (items.includes('')) {
    const rule = 'must be a list without empty entries, separated by commas';
    problems.push({ key, value: text, rule, remedy: 'correct it, or unset it' });
  }
  return items;
}

/** Why a token with a valid signature is refused, in words that hold nothing of the token; or the identity that it proves. */
export type Judgement = { readonly refusal: string } | { readonly identity: Identity };

/**
 * Judges a token whose signature, `exp`, `nbf` and `iat` against the time, issuer, audience and configured type were checked: what
 * remains is to be sure that it is an access token, meant for this server, of a user and with an end.
 */
export function judge(header: Pick<JWTHeaderParameters, 'typ'>, payload: JWTPayload, rules: TokenRules): Judgement {
  const refusal = kindRefusal(header.typ, payload, rules) ?? audienceRefusal(payload, rules);
  if (refusal !== null) return { refusal };
  const userId = userOf(payload.sub);
  if (userId === null) return { refusal: 'its sub is neither a text nor a whole number within 2^53' };
  const endS = endOf(payload, rules);
  if (endS === null) return { refusal: 'its exp is missing, or no moment of the calendar' };
  const { labels } = payload;
  if (labels === undefined) return { identity: { userId, expiresAt: endS * 1000 } };
  if (!areLabels(labels)) return { refusal: 'its labels are no object of texts' };
  return { identity: { userId, labels, expiresAt: endS * 1000 } };
}

function kindRefusal(typ: unknown, payload: JWTPayload, rules: TokenRules): string | null {
  if (rules.type === null && typ !== undefined && !isOneOf(ACCESS_TYPES, typ)) {
    return 'its header typ is that of another kind of token: set JWT_TYPE where this kind is meant';
  }
  if (payload['events'] !== undefined) return 'it is a logout or security event token (claim events)';
  const isNamedAccess = isOneOf(['at+jwt'], typ) || isOneOf(ACCESS_KINDS, payload['typ']);
  // Some issuers repeat the nonce in access tokens, which are then named as such.
  const isIdToken = ID_TOKEN_CLAIMS.some(claim => payload[claim] !== undefined);
  if (isIdToken || (payload['nonce'] !== undefined && !isNamedAccess)) return 'it is an ID token, for the client alone';
  const kinds = KIND_CLAIMS.filter(claim => payload[claim] !== undefined && !isOneOf(ACCESS_KINDS, payload[claim]));
  const loose = LOOSE_KIND_CLAIMS.filter(claim => textsOf(payload[claim]).some(text => OTHER_KIND.test(text)));
  const scopes = SCOPE_CLAIMS.filter(claim => {
    const scope = textsOf(payload[claim]).flatMap(text => text.split(' '));
    return scope.length > 0 && scope.every(text => REFRESH_SCOPE.test(text));
  });
  const [kind] = [...kinds, ...loose, ...scopes];
  return kind === undefined ? null : `its claim ${kind} names another kind of token than an access token`;
}

/** The texts of a claim that is a text or a list. */
function textsOf(claim: unknown): string[] {
  return [claim].flat().filter(text => typeof text === 'string');
}

function isOneOf(words: readonly string[], value: unknown): boolean {
  return typeof value === 'string' && words.includes(value.toLowerCase().replace(/^application\//, ''));
}

function audienceRefusal({ aud }: JWTPayload, { audiences }: TokenRules): string | null {
  if (aud === undefined || audiences !== null) return null;
  return 'it has an aud, and none is configured: set JWT_AUDIENCE to that of this server';
}

/** A number is taken as its text, unless reading it as JSON may have changed it. */
function userOf(sub: unknown): string | null {
  if (typeof sub === 'string') return sub === '' ? null : sub;
  return Number.isSafeInteger(sub) ? String(sub) : null;
}

function areLabels(claim: unknown): claim is Readonly<Record<string, string>> {
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return false;
  return Object.values(claim).every(text => typeof text === 'string');
}

/** The token's end in seconds since 1970: its `exp`, or the end of its age where that is earlier. */
function endOf({ exp, iat }: JWTPayload, { maxAgeS }: TokenRules): number | null {
  if (typeof exp !== 'number' || !(exp > 0 && exp <= LATEST_S)) return null;
  return maxAgeS === null || iat === undefined ? exp : Math.min(exp, iat + maxAgeS);
}
