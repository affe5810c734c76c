import { createHash } from 'node:crypto';

import type { z } from 'zod';

/** Bytes of the seal: enough to notice any damage. It guards against mistakes; there is nothing in a cursor to forge. */
const SEAL_BYTES = 8;

/**
 * A place in a listing as an opaque text. It is sealed together with `scope`, everything that makes up the order of the
 * listing (its sort and its filter), so that it is good for that listing only, at any node.
 */
export function encodeCursor(place: unknown, scope: unknown): string {
  const text = JSON.stringify(place);
  return Buffer.concat([sealOf(text, scope), Buffer.from(text)]).toString('base64url');
}

/** The place that a cursor names; null when it is damaged or belongs to another listing. */
export function decodeCursor<Schema extends z.ZodType>(
  cursor: string,
  scope: unknown,
  schema: Schema,
): z.output<Schema> | null {
  const bytes = Buffer.from(cursor, 'base64url');
  const text = bytes.toString('utf8', SEAL_BYTES);
  // Decoding skips what is not base64url: only the very text that was given out is taken back.
  if (bytes.toString('base64url') !== cursor || !sealOf(text, scope).equals(bytes.subarray(0, SEAL_BYTES))) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function sealOf(text: string, scope: unknown): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([scope, text]))
    .digest()
    .subarray(0, SEAL_BYTES);
}
