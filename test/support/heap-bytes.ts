import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Characters of each of the texts that pieces are kept of. */
const LENGTH = 10_000;
const COUNT = 500;

/** Bytes of heap for each piece that is kept of a long text; the text is one byte for each character, as headers are. */
export function heapBytesOf(pieceOf: (long: string) => unknown): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept = Array.from({ length: COUNT }, (_, at) => pieceOf(Buffer.alloc(LENGTH, `${at} `).toString('latin1')));
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  // Read after the heap was, so that nothing of it was garbage.
  return grown / kept.length;
}
