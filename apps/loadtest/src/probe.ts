import { lookup } from 'node:dns/promises';
import { LoadClient, type Endpoint, type LoadClientListener } from './load-client.js';
import { HEARTBEAT_TEXT, readServerMessage, type ServerTiming } from './server-messages.js';
import { isLoopback, type Target } from './target.js';

export type ProbeResult =
  /** `timing` is `null` of a server that does not speak the application heartbeat. */
  | { readonly kind: 'open'; readonly endpoint: Endpoint; readonly timing: ServerTiming | null }
  /** It listens, but did not let the probe in: `503 at-capacity`. */
  | { readonly kind: 'refused'; readonly endpoint: Endpoint; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

const OPEN_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 1_000;
const NORMAL_CLOSURE = 1000;

/** Opens one connection, requests the timing in force, and closes. */
export async function probeServer(target: Target): Promise<ProbeResult> {
  const addresses = await loopbackAddresses(target.host);
  let result: ProbeResult = { kind: 'unreachable', reason: `${target.host} has no loopback address` };
  for (const address of addresses) {
    const { port, hostHeader, path } = target;
    result = await probe({ address, port, hostHeader, path });
    if (result.kind !== 'unreachable') return result;
  }
  return result;
}

/** A hosts file may send `localhost` anywhere: its addresses are checked like any other. IPv4 first. */
async function loopbackAddresses(host: string): Promise<string[]> {
  if (host !== 'localhost') return [host];
  const found = await lookup(host, { all: true, order: 'ipv4first' }).catch(() => []);
  return found.map(({ address }) => address).filter(isLoopback);
}

function probe(endpoint: Endpoint): Promise<ProbeResult> {
  return new Promise(resolve => {
    let timing: ServerTiming | null = null;
    const leave = (client: LoadClient): void => {
      client.close(NORMAL_CLOSURE);
      timer = setTimeout(() => client.destroy(), ANSWER_WITHIN_MS);
    };
    const listener: LoadClientListener = {
      opened: opened => {
        clearTimeout(timer);
        opened.send(HEARTBEAT_TEXT);
        timer = setTimeout(leave, ANSWER_WITHIN_MS, opened);
      },
      refused: (_, reason) => {
        clearTimeout(timer);
        const answered = /^\d{3}\b/.test(reason);
        resolve(answered ? { kind: 'refused', endpoint, reason } : { kind: 'unreachable', reason });
      },
      message: (asked, payload) => {
        const message = readServerMessage(payload.toString());
        if (message?.event !== 'heartbeat' || timing !== null) return;
        timing = message.timing;
        clearTimeout(timer);
        leave(asked);
      },
      closing: () => {},
      ended: () => {
        clearTimeout(timer);
        resolve({ kind: 'open', endpoint, timing });
      },
    };
    const client = new LoadClient(0, endpoint, undefined, listener);
    let timer = setTimeout(() => client.destroy('no answer in 10 s'), OPEN_WITHIN_MS);
  });
}
