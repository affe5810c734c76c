import { type Identity, identityProblem } from '../../base/identity.js';
import type { KeptSession, Namespace, NamespaceSocket, SocketIoServer } from './engine-fields.js';
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
 * The identity is kept with the session, wherever the adapter keeps it. A session whose identity is no longer admitted is not recovered.
 */
export class RecoveredIdentities {
  readonly #watched = new WeakSet<Namespace['adapter']>();
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
    const { adapter } = namespace;
    if (this.#watched.has(adapter)) return;
    this.#watched.add(adapter);
    const persist = adapter.persistSession.bind(adapter);
    const restore = adapter.restoreSession.bind(adapter);
    adapter.persistSession = session => persist(withIdentity(session, namespace.sockets.get(session.sid)));
    adapter.restoreSession = async (pid, offset) => {
      const session = await restore(pid, offset);
      return session && this.#checked(session);
    };
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

  #checked(session: KeptSession): KeptSession | null {
    const { [KEY]: kept, ...data } = (session.data ?? {}) as Record<string, unknown>;
    if (kept === undefined) return session;
    const identity = kept as Identity;
    if (identityProblem(identity) !== null || !this.isAdmitted(identity)) return null;
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
