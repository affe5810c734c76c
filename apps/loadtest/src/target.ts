import { isIPv4 } from 'node:net';

/** The server under load, as the user named it. */
export interface Target {
  readonly url: string;
  /** `localhost`, or a loopback address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly hostHeader: string;
  readonly path: string;
}

export type TargetReading =
  | { readonly target: Target }
  /** Continues "--url is … but must be". */
  | { readonly rule: string; readonly remedy: string };

/** Thousands of connections a second are an attack on a server of others: loopback only. */
export function readTarget(text: string): TargetReading {
  if (!URL.canParse(text)) return { rule: 'a URL', remedy: 'write it like ws://127.0.0.1:3000/ws' };
  const url = new URL(text);
  if (url.protocol !== 'ws:') {
    return { rule: 'a plain ws:// URL', remedy: 'TLS is not spoken here: aim at the server behind the TLS proxy' };
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host !== 'localhost' && !isLoopback(host)) {
    return { rule: 'a loopback host (127.0.0.0/8, localhost or ::1)', remedy: 'run this tool beside the server' };
  }
  if (url.username !== '' || url.hash !== '') {
    return { rule: 'without user and fragment', remedy: 'leave them out' };
  }
  const port = url.port === '' ? 80 : Number(url.port);
  return { target: { url: text, host, port, hostHeader: url.host, path: url.pathname + url.search } };
}

/** Takes addresses only, as the name system and the URL parser write them. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

const SOURCE_ADDRESSES = 60;

/**
 * The address a client connects from. A pair of addresses and a port has at most 28,000 connections in Linux,
 * so the clients are spread; other systems have 127.0.0.1 only, and IPv6 a single loopback address.
 */
export function sourceAddress(index: number, address: string, platform: NodeJS.Platform): string | undefined {
  if (platform !== 'linux' || !isIPv4(address)) return undefined;
  return `127.0.0.${2 + (index % SOURCE_ADDRESSES)}`;
}
