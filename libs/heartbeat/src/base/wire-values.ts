import { z } from 'zod';

/** Values of messages between nodes. All are bounded, since a peer on the channel may send anything. */
export const wireText = z.string().max(100_000);
export const wireId = z.string().min(1).max(300);
export const wireCount = z.number().int().min(0);
