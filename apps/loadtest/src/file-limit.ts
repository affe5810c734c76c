/** Files a process opens besides its sockets: standard streams, the channel to its parent, the event loop's own. */
const RESERVED = 100;
/** The limit of most systems, for those that do not report it. */
const USUAL_LIMIT = 1024;

/** How many sockets fit in a process; `limits` is the text of `/proc/self/limits`, `null` where there is none. */
export function socketsPerProcess(limits: string | null): number {
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? '')?.[1];
  if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER;
  return Math.max(1, Number(soft ?? USUAL_LIMIT) - RESERVED);
}

/** Sizes of the processes that share the connections as evenly as can be. */
export function splitConnections(connections: number, mostPerProcess: number): number[] {
  const processes = Math.max(1, Math.ceil(connections / mostPerProcess));
  const base = Math.floor(connections / processes);
  const extra = connections % processes;
  return Array.from({ length: processes }, (_, position) => base + (position < extra ? 1 : 0));
}
