import type { Socket } from 'node:net';

/** Node's handle of a socket: what was given to it, and what of that the kernel has not taken yet. */
interface Handle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

/** What of Node's socket is read here. */
interface Inside {
  readonly _handle: Handle | null;
  /** All that was ever given to the handle. */
  readonly _bytesDispatched: number;
}

/**
 * How many bytes the network has taken from us in all. Node itself tells only when a whole write has ended, and a backlog goes
 * out as one write: to its numbers an honest slow reader stands still for as long as that takes. So this one function asks the
 * socket's handle, as Node does for its own idle timeout; its test fails should Node ever rename these fields.
 */
export function bytesTaken(socket: Socket): number {
  const { _handle: handle, _bytesDispatched: given } = socket as unknown as Partial<Inside>;
  if (handle) return handle.bytesWritten - handle.writeQueueSize;
  // Once it is destroyed, what was given counts: the public numbers go down when Node gives up what still waited.
  return given ?? socket.bytesWritten - socket.writableLength;
}
