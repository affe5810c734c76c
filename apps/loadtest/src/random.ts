/** A source of numbers in [0, 1). */
export type RandomSource = () => number;

/** Mulberry32: small, fast and the same on every machine, so that a run can be repeated from its seed. */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` different whole numbers below `total`, each equally likely; the order is random too. */
export function drawIndices(count: number, total: number, random: RandomSource): number[] {
  const indices = Array.from({ length: total }, (_, index) => index);
  for (let position = 0; position < count; position += 1) {
    const other = position + Math.floor(random() * (total - position));
    const drawn = indices[other] as number;
    indices[other] = indices[position] as number;
    indices[position] = drawn;
  }
  return indices.slice(0, count);
}
