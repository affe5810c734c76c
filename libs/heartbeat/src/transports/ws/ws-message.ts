import type { WebSocket } from 'ws';

/** The data that `ws` sends. Unlike in its types, no data is an empty message. */
export type Sendable = Parameters<WebSocket['send']>[0] | null | undefined;
export type SendOptions = Exclude<Parameters<WebSocket['send']>[1], undefined>;

/** Like in `ws`, a given value replaces its default, also `undefined`. */
export function isPart(options: object | null | undefined): boolean {
  return options !== null && options !== undefined && 'fin' in options && !options.fin;
}

/** The bytes that a message adds to the backlog. */
export function sizeOf(data: Sendable): number {
  if (data === null || data === undefined) return 0;
  if (typeof data === 'string') return Buffer.byteLength(data);
  if (typeof data === 'number') return String(data).length;
  if ('byteLength' in data) return data.byteLength;
  if (data instanceof Blob) return data.size;
  return 'length' in data ? data.length : 0;
}

/** The error of `ws`. */
export function notOpen(readyState: number): Error {
  return new Error(`WebSocket is not open: readyState ${readyState} (${readyState === 2 ? 'CLOSING' : 'CLOSED'})`);
}
