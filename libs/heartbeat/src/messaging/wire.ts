import { z } from 'zod';

import { wireId, wireText } from '../base/wire-values.js';

/** Version of the messages between nodes. Messages of another version are dropped, and a list reports their node as silent. */
const VERSION = 1;

/** The longest message that a node sends or reads: a page of 500 connections has about 350 kB. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

const envelope = z.object({ version: z.literal(VERSION), message: z.looseObject({ kind: wireText, from: wireId }) });

/** A message of one node: its kind, the node's id, and the fields of that kind, which are not checked yet. */
export type WireMessage = z.output<typeof envelope>['message'];

export function encode(kind: string, from: string, body: object): string {
  return JSON.stringify({ version: VERSION, message: { kind, from, ...body } });
}

/** Returns null for a text that is not a message, is too long, or has another version. */
export function decode(received: string): WireMessage | null {
  // A character has at least one byte and at most three.
  return received.length > MAX_MESSAGE_BYTES ? null : (parseBy(envelope, received)?.message ?? null);
}

/** Parses JSON that matches a schema. Returns null for any other text. */
export function parseBy<Schema extends z.ZodType>(schema: Schema, given: string): z.output<Schema> | null {
  try {
    return schema.safeParse(JSON.parse(given)).data ?? null;
  } catch {
    return null;
  }
}
