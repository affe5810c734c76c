import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of the heap once all garbage is collected. */
export function collected(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Characters of each of the texts that pieces are kept of. */
const LENGTH = 10_000;
const COUNT = 500;

/** Bytes of heap for each piece that is kept of a long text; the text is one byte for each character, as headers are. */
export function heapBytesOf(pieceOf: (long: string) => unknown): number {
  const before = collected();
  const kept = Array.from({ length: COUNT }, (_, at) => pieceOf(Buffer.alloc(LENGTH, `${at} `).toString('latin1')));
  const grown = collected() - before;
  // Read after the heap was, so that nothing of it was garbage.
  return grown / kept.length;
}
