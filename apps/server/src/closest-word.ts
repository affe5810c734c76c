/** More edits than this share of its length make it another word, not a slip. */
const SLIP_SHARE = 0.25;

/** The word that was probably meant; undefined when none is near. */
export function closestWord(given: string, words: readonly string[]): string | undefined {
  const ranked = words.map(word => ({ word, edits: editsBetween(given, word) }));
  const best = ranked.toSorted((left, right) => left.edits - right.edits)[0];
  return best !== undefined && best.edits <= given.length * SLIP_SHARE ? best.word : undefined;
}

/** How many characters must be put in, left out or replaced to make one text the other (Levenshtein). */
export function editsBetween(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
