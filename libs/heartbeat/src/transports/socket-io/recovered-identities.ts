import { type Identity, identityProblem } from '../../base/identity.js';
import type { KeptSession, Namespace, NamespaceClient, NamespaceSocket, SocketIoServer } from './engine-fields.js';
import { connectionOfClient } from './session-of.js';

/** The member of a kept session's data that holds the identity. It is never in the `data` of a socket. */
const KEY = 'heartbeat:identity';

/** An identity as a remote adapter can keep it. */
interface KeptIdentity {
  readonly userId: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly expiresAt?: number;
}

/**
 * The identities of clients whose connection state is recovered. Their middleware is skipped by default, so `identify()` is not called again.
 * The identity is kept with the session, wherever the adapter keeps it. A session whose identity is no longer admitted, or is not that of
 * the client's handshake, is not recovered.
 */
export class RecoveredIdentities {
  readonly #watched = new WeakSet<Namespace['adapter']>();
  readonly #watchedNamespaces = new WeakSet<Namespace>();
  /** The client that joins a namespace in this turn. */
  #joining: NamespaceClient | null = null;
  /** By the data of the recovered socket. */
  readonly #restored = new WeakMap<object, Identity>();

  /** @param isAdmitted Whether a client with this identity would be admitted now. */
  constructor(private readonly isAdmitted: (identity: Identity) => boolean) {}

  /** Must be called before a client joins: an application may replace the adapter of all namespaces at any time. */
  watchAll({ sockets, _nsps: namespaces }: SocketIoServer): void {
    if (this.#watched.has(sockets.adapter)) return;
    for (const namespace of namespaces.values()) this.watch(namespace);
  }

  watch(namespace: Namespace): void {
    this.#noteClients(namespace);
    const { adapter } = namespace;
    if (this.#watched.has(adapter)) return;
    this.#watched.add(adapter);
    const persist = adapter.persistSession.bind(adapter);
    const restore = adapter.restoreSession.bind(adapter);
    adapter.persistSession = session => persist(withIdentity(session, namespace.sockets.get(session.sid)));
    adapter.restoreSession = async (pid, offset) => {
      const client = this.#joining;
      const session = await restore(pid, offset);
      return session && this.#checked(session, client);
    };
  }

  /** Socket.IO restores a session in the call that adds the client, and does not name the client. */
  #noteClients(namespace: Namespace): void {
    if (this.#watchedNamespaces.has(namespace)) return;
    this.#watchedNamespaces.add(namespace);
    const { _add: add } = namespace;
    const noted: Namespace['_add'] = (...given) => {
      [this.#joining] = given;
      try {
        return Reflect.apply(add, namespace, given);
      } finally {
        this.#joining = null;
      }
    };
    Object.assign(namespace, { _add: noted } satisfies Partial<Namespace>);
  }

  /** Identifies the connection of a recovered client. It stays with the identity that it has from its handshake. */
  recovered(socket: NamespaceSocket): void {
    const identity = this.#restored.get(socket.data);
    const connection = connectionOfClient(socket);
    if (identity === undefined || connection === undefined) return;
    this.#restored.delete(socket.data);
    if (connection.identity === null) connection.identify(identity);
    // The rooms of one user are not those of another.
    else if (connection.userId !== identity.userId) socket.disconnect();
  }

  #checked(session: KeptSession, client: NamespaceClient | null): KeptSession | null {
    const { [KEY]: kept, ...data } = (session.data ?? {}) as Record<string, unknown>;
    if (kept === undefined) return session;
    const identity = kept as Identity;
    if (identityProblem(identity) !== null) return null;
    const own = connectionOfClient(client)?.identity ?? null;
    // A client that its handshake has identified was admitted, and is counted, with that identity.
    const isAdmitted = own === null ? this.isAdmitted(identity) : own.userId === identity.userId;
    if (!isAdmitted) return null;
    this.#restored.set(data, identity);
    return { ...session, data };
  }
}

function withIdentity(session: KeptSession, socket: NamespaceSocket | undefined): KeptSession {
  const identity = connectionOfClient(socket)?.identity;
  if (!identity) return session;
  const { userId, labels, expiresAt } = identity;
  const kept: KeptIdentity = {
    userId,
    ...(labels && { labels }),
    ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) }),
  };
  return { ...session, data: { ...(session.data as object), [KEY]: kept } };
}
