import { z } from 'zod';

import { group, oneOf, text } from './checkers.js';

const tokenRule = 'must be a text of 1 to 1024 characters, printable ASCII without blanks, as it goes into a header';

/** The role of an admin token: a `viewer` may read, an `operator` may do everything. */
export type AdminRole = 'viewer' | 'operator';

/** A token for the admin routes. */
export interface AdminToken {
  /** The secret, sent as `Authorization: Bearer <token>`. */
  token: string;
  role: AdminRole;
  /** The name of the operator in the audit trail; not secret. */
  name: string;
}

/** Access to the admin routes. */
export interface AdminOptions {
  /**
   * The tokens that are accepted on the admin routes.
   * Default: none. Then every admin route responds with 401 and a problem that names the missing token.
   */
  tokens: readonly AdminToken[];
}

export const ADMIN_DEFAULTS: AdminOptions = { tokens: [] };

export const ADMIN_RULES = group<AdminOptions>({
  tokens: z
    .array(
      z.strictObject(
        {
          token: z.string(tokenRule).regex(/^[!-~]{1,1024}$/, tokenRule),
          role: oneOf('viewer', 'operator'),
          name: text(100),
        },
        'must be { token, role, name }',
      ),
      'must be a list of { token, role, name }',
    )
    .refine(
      tokens => new Set(tokens.map(({ token }) => token)).size === tokens.length,
      'must not hold the same token twice',
    ),
});
