import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

import type { z } from 'zod';

/** Bytes of the seal: enough to notice any damage. It guards against mistakes; there is nothing in a cursor to forge. */
const SEAL_BYTES = 8;

/**
 * A longer place is compressed: with 100 silent nodes it has 10 kB, and Node refuses a request whose headers have 16 kB. Usual ones are
 * as older nodes make and take them.
 */
const LONG = 512;
/** No place is longer than that of 10,000 silent nodes; more is no cursor of ours. */
const MAX_PLACE_BYTES = 4 * 1024 * 1024;

/**
 * A place in a listing as an opaque text. It is sealed together with `scope`, everything that makes up the order of the
 * listing (its sort and its filter), so that it is good for that listing only, at any node.
 */
export function encodeCursor(place: unknown, scope: unknown): string {
  const text = JSON.stringify(place);
  const body = text.length > LONG ? deflateRawSync(text) : Buffer.from(text);
  return Buffer.concat([sealOf(text, scope), body]).toString('base64url');
}

/** The place that a cursor names; null when it is damaged or belongs to another listing. */
export function decodeCursor<Schema extends z.ZodType>(
  cursor: string,
  scope: unknown,
  schema: Schema,
): z.output<Schema> | null {
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding skips what is not base64url: only the very text that was given out is taken back.
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

/** Null for what was not compressed. */
function inflated(body: Buffer): string | null {
  try {
    return inflateRawSync(body, { maxOutputLength: MAX_PLACE_BYTES }).toString();
  } catch {
    return null;
  }
}
