import { endKey, portSuffix, readTcpTable } from './tcp-table.js';

/** A socket that the server ended at some moment after `earliestAt` and not after `at`. */
export interface EndSeen {
  readonly index: number;
  readonly earliestAt: number;
  readonly at: number;
}

interface Watched {
  readonly index: number;
  aliveAt: number;
  serverEndSeen: boolean;
  missedAt: number | null;
}

type EndState = 'established' | 'ended';

/**
 * Detects the end of unread sockets, which their process cannot. In the kernel's table of sockets a FIN
 * moves the client's end out of ESTABLISHED and an RST removes it. When the client's buffer is full the FIN
 * waits for room, but on loopback the server's end is in the same table and shows it at once.
 */
export class StoppedWatch {
  readonly #serverSuffix: string;
  readonly #watched = new Map<string, Watched>();

  constructor(serverPort: number) {
    this.#serverSuffix = portSuffix(serverPort);
  }

  get size(): number {
    return this.#watched.size;
  }

  add(index: number, end: { readonly address: string; readonly port: number }, since: number): void {
    const watched = { index, aliveAt: since, serverEndSeen: false, missedAt: null };
    this.#watched.set(endKey(end.address, end.port), watched);
  }

  forget(index: number): void {
    for (const [key, watched] of this.#watched) if (watched.index === index) this.#watched.delete(key);
  }

  /** `tables` are the texts of `/proc/net/tcp` and `tcp6`, read at `now`. Each end is reported once. */
  examine(tables: readonly string[], now: number): EndSeen[] {
    const clientEnds = new Map<string, EndState>();
    const serverEnds = new Map<string, EndState>();
    for (const table of tables) {
      for (const row of readTcpTable(table)) {
        const state = row.established ? 'established' : 'ended';
        if (this.#watched.has(row.local) && row.remote.endsWith(this.#serverSuffix)) clientEnds.set(row.local, state);
        if (this.#watched.has(row.remote) && row.local.endsWith(this.#serverSuffix)) serverEnds.set(row.remote, state);
      }
    }
    const seen: EndSeen[] = [];
    for (const [key, watched] of this.#watched) {
      const at = endedAt(watched, clientEnds.get(key), serverEnds.get(key), now);
      if (at === null) continue;
      this.#watched.delete(key);
      seen.push({ index: watched.index, earliestAt: watched.aliveAt, at });
    }
    return seen;
  }
}

/**
 * A row that is there is the truth. One that is absent may have been skipped, since the kernel's table moves
 * while it is read in pieces: only the second absence in a row counts, and dates from the first.
 */
function endedAt(
  watched: Watched,
  clientEnd: EndState | undefined,
  serverEnd: EndState | undefined,
  now: number,
): number | null {
  if (clientEnd === 'ended' || serverEnd === 'ended') return watched.missedAt ?? now;
  // A server in a network namespace of its own has no row here, ever.
  const missing = clientEnd === undefined || (watched.serverEndSeen && serverEnd === undefined);
  if (missing && watched.missedAt !== null) return watched.missedAt;
  watched.missedAt = missing ? now : null;
  watched.serverEndSeen ||= serverEnd !== undefined;
  if (!missing) watched.aliveAt = now;
  return null;
}
