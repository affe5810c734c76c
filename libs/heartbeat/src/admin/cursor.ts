import { createHash } from 'node:crypto';

import type { Position } from '../connection/connection-query.js';

/** Bytes of the seal: enough to notice any damage. It guards against mistakes; there is nothing in a cursor to forge. */
const SEAL_BYTES = 8;

/**
 * A place in a listing as an opaque text. It is sealed together with `scope`, everything that makes up the order of the
 * listing (its sort and its filter), so that it is good for that listing only, at any node.
 */
export function encodeCursor({ key, id }: Position, scope: unknown): string {
  const place = `${key ?? ''} ${id}`;
  return Buffer.concat([sealOf(place, scope), Buffer.from(place)]).toString('base64url');
}

/** The place that a cursor names; null when it is damaged or belongs to another listing. */
export function decodeCursor(cursor: string, scope: unknown): Position | null {
  const bytes = Buffer.from(cursor, 'base64url');
  const place = bytes.toString('utf8', SEAL_BYTES);
  // Decoding skips what is not base64url: only the very text that was given out is taken back.
  if (bytes.toString('base64url') !== cursor || !sealOf(place, scope).equals(bytes.subarray(0, SEAL_BYTES)))
    return null;
  const space = place.indexOf(' ');
  return { key: space === 0 ? null : Number(place.slice(0, space)), id: place.slice(space + 1) };
}

function sealOf(place: string, scope: unknown): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([scope, place]))
    .digest()
    .subarray(0, SEAL_BYTES);
}
