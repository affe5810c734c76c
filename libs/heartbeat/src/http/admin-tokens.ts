import { createHash, timingSafeEqual } from 'node:crypto';

import type { AdminRole, AdminToken } from '../options/admin.options.js';

/** Somebody who was recognised by a token. */
export interface AdminHolder {
  readonly name: string;
  readonly role: AdminRole;
}

/**
 * Recognises tokens in constant time: hashes of equal length are compared, all of them, whatever matched. No token costs
 * what a wrong one costs.
 */
export class AdminTokens {
  readonly #holders: readonly (AdminHolder & { readonly digest: Buffer })[];

  constructor(tokens: readonly AdminToken[]) {
    this.#holders = tokens.map(({ token, role, name }) => ({ digest: digestOf(Buffer.from(token)), role, name }));
  }

  get isEmpty(): boolean {
    return this.#holders.length === 0;
  }

  /** @param presented What `bearerToken` found; null is nobody's. */
  holderOf(presented: Buffer | null): AdminHolder | null {
    const digest = digestOf(presented ?? Buffer.alloc(0));
    let found: AdminHolder | null = null;
    for (const holder of this.#holders) {
      if (timingSafeEqual(digest, holder.digest)) found = holder;
    }
    return found;
  }
}

const SCHEME = /^bearer +/i;

/**
 * The token of an `Authorization` header (RFC 6750, section 2.1); null where there is none. Node reads headers as Latin-1, so
 * these are the bytes that were sent.
 */
export function bearerToken(header = ''): Buffer | null {
  const token = SCHEME.test(header) ? header.replace(SCHEME, '').trim() : '';
  return token === '' ? null : Buffer.from(token, 'latin1');
}

function digestOf(token: Buffer): Buffer {
  return createHash('sha256').update(token).digest();
}
