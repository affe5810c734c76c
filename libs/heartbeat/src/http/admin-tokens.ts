import { createHash, timingSafeEqual } from 'node:crypto';

import type { AdminRole, AdminToken } from '../options/admin.options.js';

/** The holder of a token. */
export interface AdminHolder {
  readonly name: string;
  readonly role: AdminRole;
}

/** Compares tokens in constant time: hashes of equal length, always with all tokens. A missing token takes the same time as a wrong one. */
export class AdminTokens {
  readonly #holders: readonly (AdminHolder & { readonly digest: Buffer })[];

  constructor(tokens: readonly AdminToken[]) {
    this.#holders = tokens.map(({ token, role, name }) => ({ digest: digestOf(Buffer.from(token)), role, name }));
  }

  get isEmpty(): boolean {
    return this.#holders.length === 0;
  }

  /** @param presented The result of `bearerToken`; null matches no holder. */
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
 * The token of an `Authorization` header (RFC 6750, section 2.1); null without one. Node decodes headers as Latin-1, so the result has the
 * bytes that were sent.
 */
export function bearerToken(header = ''): Buffer | null {
  const token = SCHEME.test(header) ? header.replace(SCHEME, '').trim() : '';
  return token === '' ? null : Buffer.from(token, 'latin1');
}

function digestOf(token: Buffer): Buffer {
  return createHash('sha256').update(token).digest();
}
