import type { IncomingMessage } from 'node:http';

import { Inject, Injectable } from '@nestjs/common';

import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { clientNetwork, networkMatcher, plainAddress, UNIX_PEER } from '../base/network-address.js';
import { clientAddress, type IsTrusted, peerAddress } from './client-address.js';

/** Maximum of addresses whose result is cached. */
const MOST_KNOWN = 1000;

/** The addresses of clients, behind the proxies in the option `trustedProxies`. */
@Injectable()
export class ClientAddresses {
  readonly #isTrusted: IsTrusted;
  /** A cache: each check allocates an object outside of the heap, and behind proxies nearly all checks are about the same few addresses. */
  readonly #known = new Map<string, boolean>();

  readonly #prefixBits: number;

  constructor(@Inject(HEARTBEAT_OPTIONS) { trustedProxies, limits }: ResolvedOptions) {
    this.#prefixBits = limits.ipv6PrefixBits;
    const isInNetworks = networkMatcher(trustedProxies.filter(name => name !== UNIX_PEER));
    const trustsUnix = trustedProxies.includes(UNIX_PEER);
    const matches: IsTrusted = address => (address === UNIX_PEER ? trustsUnix : isInNetworks(address));
    this.#isTrusted = trustedProxies.length === 0 ? () => false : address => this.#remembered(address, matches);
  }

  of(request: IncomingMessage): string {
    return clientAddress(request, this.#isTrusted);
  }

  /** The network under which limits by address count the peer of a socket; null for a trusted proxy and for a Unix socket. */
  networkOfPeer(address: string | undefined): string | null {
    if (address === undefined) return null;
    const plain = plainAddress(address);
    return this.#isTrusted(plain) ? null : clientNetwork(plain, this.#prefixBits);
  }

  /** The address at the other end of the socket, which may belong to a proxy. */
  peerOf(request: IncomingMessage): string {
    return peerAddress(request);
  }

  /** Whether the socket belongs to a trusted proxy. */
  isBehindProxy(request: IncomingMessage): boolean {
    return this.#isTrusted(peerAddress(request));
  }

  #remembered(address: string, matches: IsTrusted): boolean {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    if (this.#known.size === MOST_KNOWN) this.#known.clear();
    const answer = matches(address);
    this.#known.set(address, answer);
    return answer;
  }
}
