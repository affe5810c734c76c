import type { BanChanges, Lease, UserCount, UserStatement } from './cluster-bus.js';

/** What scripts are told and what they answer, which are texts in a row: see redis-scripts.ts. */

export function wordsOf({ userId, count, oldestAt, oldestSerial }: UserStatement): string[] {
  return [userId, String(count), String(Math.round(oldestAt)), String(oldestSerial)];
}

export function leasesOf(reply: readonly string[]): Lease[] {
  return inGroups(reply, 3).map(([nodeId = '', ageMs, summary = '']) => ({ nodeId, ageMs: Number(ageMs), summary }));
}

export function banChangesOf([version, ...changes]: readonly string[]): BanChanges {
  const all = inGroups(changes, 3).map(([id = '', forMs, text = '']) => ({ id, forMs: Number(forMs), text }));
  return {
    version: Number(version),
    put: all.filter(({ text }) => text !== ''),
    // A text that is empty is what is left of a ban that was lifted.
    dropped: all.filter(({ text }) => text === '').map(({ id }) => id),
  };
}

export function userCountsOf(reply: readonly string[]): UserCount[] {
  return inGroups(reply, 4).map(([isTaken, total, nodeId = '', serial]) => {
    const oldest = nodeId === '' ? null : { nodeId, serial: Number(serial) };
    return { isTaken: isTaken === '1', total: Number(total), oldest };
  });
}

function inGroups(words: readonly string[], size: number): string[][] {
  return Array.from({ length: words.length / size }, (_, place) => words.slice(place * size, (place + 1) * size));
}
