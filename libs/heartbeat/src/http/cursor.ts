import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

import type { z } from 'zod';

/** Length of the seal, enough to detect damage. It protects against mistakes; forging a cursor has no use. */
const SEAL_BYTES = 8;

/**
 * A longer position is compressed: with 100 silent nodes it has 10 kB, and Node refuses requests with 16 kB of headers. Usual positions
 * have the form that older nodes create and accept.
 */
const LONG = 512;
/** The length of a position with 10,000 silent nodes. Longer ones are rejected. */
const MAX_PLACE_BYTES = 4 * 1024 * 1024;

/**
 * Encodes a position in a listing as an opaque text. It is sealed together with `scope`, which determines the order of the listing (its
 * sort and its filter). So it is valid for that listing only, on any node.
 */
export function encodeCursor(place: unknown, scope: unknown): string {
  const text = JSON.stringify(place);
  const body = text.length > LONG ? deflateRawSync(text) : Buffer.from(text);
  return Buffer.concat([sealOf(text, scope), body]).toString('base64url');
}

/** The position of a cursor; null when it is damaged or belongs to another listing. */
export function decodeCursor<Schema extends z.ZodType>(
  cursor: string,
  scope: unknown,
  schema: Schema,
): z.output<Schema> | null {
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding skips invalid characters, so only the exact text that was returned before is accepted.
  if (bytes.toString('base64url') !== cursor) return null;
  const body = bytes.subarray(SEAL_BYTES);
  const text = [body.toString(), inflated(body)].find(
    one => one !== null && sealOf(one, scope).equals(bytes.subarray(0, SEAL_BYTES)),
  );
  if (typeof text !== 'string') return null;
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

/** Null for bytes that were not compressed. */
function inflated(body: Buffer): string | null {
  try {
    return inflateRawSync(body, { maxOutputLength: MAX_PLACE_BYTES }).toString();
  } catch {
    return null;
  }
}
