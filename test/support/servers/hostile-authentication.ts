import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authentication } from 'nestjs-heartbeat';

/** Authentications that were begun and aborted, and handlers: `ServerState`. */
export const counts = { asked: 0, givenUp: 0, begun: 0, filled: 0 };

/** How clients are authenticated, by the word in `AUTHENTICATE`. */
export const ways: Record<
  string,
  (request: IncomingMessage, signal: AbortSignal) => Authentication | Promise<Authentication>
> = {
  /** Takes the user from the query after a moment. */
  async user({ url = '' }): Promise<Authentication> {
    counts.asked++;
    await sleep(20);
    const user = new URLSearchParams(url.split('?')[1]).get('user');
    return user === null ? 'anonymous' : { userId: user };
  },
  /** Admits after a second. */
  async slow(): Promise<Authentication> {
    counts.asked++;
    await sleep(1000);
    return 'anonymous';
  },
  /** Never settles, whatever its signal, except for the first client: the observer. */
  never(_, signal) {
    if (counts.asked++ === 0) return 'anonymous';
    signal.addEventListener('abort', () => counts.givenUp++);
    return new Promise(() => {});
  },
  /** Rejects with what cannot be shown. */
  async absurd(): Promise<Authentication> {
    counts.asked++;
    throw unspeakable();
  },
};

/** A value that is no error and has no text form. */
export function unspeakable(): unknown {
  return Object.create(null);
}
