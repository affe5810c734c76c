import type { BanChanges, Lease, Renewal, UserCount, UserStatement } from './cluster-bus.js';

/** Arguments and replies of scripts, which are lists of texts: see redis-scripts.ts. */

/**
 * The importance of a command. `urgent` is sent while other commands fail. The failure of a `minor` one is no sign that Redis is lost: many
 * bans may take a long time, and the next renewal tests Redis within a second.
 */
export type Weight = 'urgent' | 'usual' | 'minor';

export function wordsOf({ userId, count, oldestAt, oldestSerial }: UserStatement): string[] {
  return [userId, String(count), String(Math.round(oldestAt)), String(oldestSerial)];
}

export function renewalOf([isNew, ...numbers]: readonly string[]): Renewal {
  const [nodes = 0, banVersion = 0, now = 0, limitVersion = 0] = numbers.map(Number);
  return { isNew: isNew === '1', nodes, banVersion, now, limitVersion };
}

export function leasesOf(reply: readonly string[]): Lease[] {
  return inGroups(reply, 3).map(([nodeId = '', ageMs, summary = '']) => ({ nodeId, ageMs: Number(ageMs), summary }));
}

export function banChangesOf([version, hasMore, ...changes]: readonly string[]): BanChanges {
  const all = inGroups(changes, 3).map(([id = '', forMs, text = '']) => ({ id, forMs: Number(forMs), text }));
  return {
    version: Number(version),
    hasMore: hasMore === '1',
    put: all.filter(({ text }) => text !== ''),
    // An empty text is the rest of a ban that was lifted.
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
