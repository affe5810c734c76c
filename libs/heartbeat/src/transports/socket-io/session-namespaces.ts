import { guarded } from '../../connection/lifetime.js';
import type { Encoder, EngineSession, NamespaceClient, NamespaceSocket } from './engine-fields.js';
import { connectError } from './refused-session.js';

/** Maximum of names that a session's client has asked for and not joined. Further ones are not refused at a close. */
const MAX_ASKED = 64;
const MAX_NAME = 256;
const DEFAULT = '/';
const CONNECT = '0'.charCodeAt(0);
/** The begin of a packet that asks for a namespace: its type, and the name where it is not the default. */
const ASKS = /^0(\/[^,]*)?/;

/** The namespaces of one session: those that its client has joined, and those that it has asked for. */
export class SessionNamespaces {
  #client: NamespaceClient | null = null;
  /** Names of namespaces whose middleware has not admitted the client yet. */
  #asked: Set<string> | null = null;

  /** The client in the default namespace, else in the first that it joined. */
  get target(): NamespaceSocket | undefined {
    const joined = this.#client?.nsps;
    return joined?.get(DEFAULT) ?? joined?.values().next().value;
  }

  /** A packet of the client arrived, which may ask for a namespace. */
  received(packet: string): void {
    const match = packet.charCodeAt(0) === CONNECT ? ASKS.exec(packet) : null;
    if (match === null) return;
    const [, name = DEFAULT] = match;
    const asked = (this.#asked ??= new Set());
    // A copy: a part of a text keeps the whole payload of the request in memory.
    if (asked.size < MAX_ASKED && name.length <= MAX_NAME) asked.add(Buffer.from(name).toString());
  }

  joined({ client, nsp }: NamespaceSocket): void {
    this.#client = client;
    this.#asked?.delete(nsp.name);
    if (this.#asked?.size === 0) this.#asked = null;
  }

  /**
   * Ends the client in all namespaces, after which it does not return by itself: those that it has joined, and those that it has asked for.
   * A client that has asked for none yet is refused in the default one.
   */
  end(session: EngineSession, encoder: Encoder, data: object, failed: (what: string, error: unknown) => void): void {
    const joined = this.#client?.nsps;
    const pending = this.#asked ?? (joined?.size ? [] : [DEFAULT]);
    for (const name of pending) if (joined?.has(name) !== true) connectError(session, encoder, name, data);
    for (const socket of joined?.values() ?? []) {
      guarded(() => socket.disconnect(), 'a listener of "disconnect"', failed);
    }
  }

  /** References no client any more. */
  forget(): void {
    this.#client = null;
    this.#asked = null;
  }
}
