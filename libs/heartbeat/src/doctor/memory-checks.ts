import { memoryBudget } from '../base/container-memory.js';
import type { Check } from './node-facts.js';
import { ok, finding } from './finding.js';
import { megabytes } from './system-reader.js';

/** Share of the memory for V8's heap. A process also needs buffers, code, stacks and the kernel's memory for its sockets. */
const HEAP_SHARE = 0.75;
/** Memory for young objects that V8 adds to `--max-old-space-size`. */
const YOUNG_GENERATION = 48 * 1024 * 1024;
/** Node does not start with a smaller old space, in MiB. */
const LEAST_OLD_SPACE = 16;
/**
 * Heap of an idle connection, including what Nest, `ws` and Node hold for it: twice the measured value. State of the app is not included.
 */
const HEAP_PER_CONNECTION = 8 * 1024;
/** Connections alone should leave at least this share of the heap to the app. */
const CONNECTIONS_SHARE = 0.5;
/** Maximum share of the memory beside the heap that buffered bytes may take. */
const BUFFER_SHARE = 0.5;

export const heapLimit: Check = ({ system }) => {
  const subject = {
    id: 'heap-limit',
    title: 'Heap limit against the memory',
    why: 'Above the memory that the process may use, the kernel kills it without notice before V8 collects garbage more often. Every connection is cut with 1006.',
  };
  const heap = system.heapLimitBytes();
  const { limitBytes, limitedBy } = memoryBudget(system.file);
  const evidence = `the heap may grow to ${megabytes(heap)}, the ${limitedBy} has ${megabytes(limitBytes)}`;
  if (heap <= limitBytes * HEAP_SHARE) return ok(subject, evidence);
  const fitting = Math.floor((limitBytes * HEAP_SHARE - YOUNG_GENERATION) / 1024 / 1024);
  const more = `give the ${limitedBy} ${megabytes(heap / HEAP_SHARE)}`;
  const remedy =
    fitting < LEAST_OLD_SPACE ? `G${more.slice(1)}.` : `Start node with --max-old-space-size=${fitting}, or ${more}.`;
  return finding(heap > limitBytes ? 'error' : 'warn', subject, evidence, remedy);
};

export const heapForConnections: Check = ({ options, system }) => {
  const subject = {
    id: 'heap-for-connections',
    title: 'Heap for all connections',
    why: 'A heap that is full of connections collects garbage all the time, then ends the process.',
  };
  const { maxConnections } = options.limits;
  const heap = system.heapLimitBytes();
  const needed = maxConnections * HEAP_PER_CONNECTION;
  const evidence = `${maxConnections} connections (limits.maxConnections) need about ${megabytes(needed)} while idle, the heap may grow to ${megabytes(heap)}`;
  if (needed <= heap * CONNECTIONS_SHARE) return ok(subject, evidence);
  const fitting = Math.ceil(needed / CONNECTIONS_SHARE / 1024 / 1024);
  const most = Math.floor((heap * CONNECTIONS_SHARE) / HEAP_PER_CONNECTION);
  const remedy = `Start node with --max-old-space-size=${fitting}, or lower limits.maxConnections to ${most}.`;
  return finding(needed > heap ? 'error' : 'warn', subject, evidence, remedy);
};

export const bufferedMemory: Check = ({ options, system }) => {
  const subject = {
    id: 'buffered-memory',
    title: 'Memory for bytes that wait',
    why: 'Clients that do not read make the server keep what was sent to them. All together they may take what the two limits allow.',
  };
  const { maxBufferedBytes, maxTotalBufferedBytes } = options.backpressure;
  const { maxConnections } = options.limits;
  const { limitBytes, limitedBy } = memoryBudget(system.file);
  const all = maxBufferedBytes * maxConnections;
  const worst = Math.min(all, maxTotalBufferedBytes);
  const evidence =
    `backpressure.maxBufferedBytes x limits.maxConnections is ${megabytes(all)}, backpressure.maxTotalBufferedBytes allows ` +
    `${megabytes(maxTotalBufferedBytes)}; the ${limitedBy} has ${megabytes(limitBytes)}`;
  if (worst <= limitBytes * BUFFER_SHARE) return ok(subject, evidence);
  const remedy = `Set backpressure.maxTotalBufferedBytes to at most ${Math.floor(limitBytes * BUFFER_SHARE)}.`;
  return finding(worst > limitBytes ? 'error' : 'warn', subject, evidence, remedy);
};
